"""Ingredients: what is derived from their records, against the lists written out by hand here."""

import pytest
from steelyard_schemas import ContractError, job_identity, parse
from steelyard_schemas.galaxy import Priors
from steelyard_schemas.ingredients import (
    PARAMETERS,
    DataEstimates,
    GasProfile,
    MassComponent,
    every_ingredient,
    kinds,
    records,
)
from steelyard_schemas.priors import Fixed, LogUniform, Normal

ESTIMATES = DataEstimates(
    x0_arcsec=0.1,
    y0_arcsec=-0.2,
    pa_deg=40.0,
    vsys_kms=1250.0,
    radius_arcsec=2.0,
    rotation_kms=200.0,
    flux_jykms=9.0,
    velocity_min_kms=1000.0,
    velocity_max_kms=1500.0,
    field_arcsec=16.0,
    cell_arcsec=0.1,
    peak_sigma=20.0,
)


def fields(make, **change):
    return make.galaxy().model_dump(mode="json") | change


def names(make, **change):
    return [p.name for p in parse(fields(make, **change), where="g").parameters]


def test_parameters_come_in_the_order_of_the_ingredients(make):
    disc = {"profile": "exponential_hole"}
    assert names(make, disc=disc, absorber=None, mass=[]) == [
        "log10_mbh",
        *("log10_sigma_b", "alpha", "gamma", "beta_minus_gamma", "log10_r_b_pc", "q"),
        *("inclination_deg", "pa_deg", "vsys_kms", "x0_arcsec", "y0_arcsec", "sigma_gas_kms"),
        *("disc_scale_arcsec", "hole_radius_arcsec", "flux_jykms", "distance_mpc"),
    ]


def test_options_bring_their_parameters(make):
    plain = set(names(make, disc={}, absorber=None, mass=[]))
    disc = {"dispersion": "exponential", "warp": {"reference_arcsec": 1.0, "outer_arcsec": 2.0}}
    more = set(names(make, disc=disc, mass=[{"kind": "gas_disc"}, {"kind": "nfw"}])) - plain
    assert more == {
        *("sigma_gas_outer_kms", "sigma_gas_scale_arcsec"),
        *("pa_gradient_deg_per_arcsec", "inclination_gradient_deg_per_arcsec"),
        *("absorber_tau", "absorber_velocity_kms", "absorber_sigma_kms"),
        *("log10_gas_mass", "log10_m200", "log10_c200"),
    }


def test_visibilities_feel_masses_and_distance_through_the_rotation_curve_alone():
    assert {name for name, p in PARAMETERS.items() if p.curve_only} >= {
        *("log10_mbh", "log10_sigma_b", "alpha", "gamma", "beta_minus_gamma", "log10_r_b_pc", "q"),
        *("mass_to_light", "log10_gas_mass", "log10_m200", "log10_c200", "distance_mpc"),
    }
    masses = {p.name for record in records(MassComponent) for p in record.parameters}
    assert all(PARAMETERS[name].curve_only for name in masses)
    assert not PARAMETERS["inclination_deg"].curve_only


def test_every_parameter_but_the_distance_has_a_prior_in_the_galaxy_file():
    assert set(PARAMETERS) - set(Priors.model_fields) == {"distance_mpc"}
    defaults = Priors()
    for name, parameter in PARAMETERS.items():
        if name != "distance_mpc":
            assert (defaults[name] is None) == callable(parameter.prior)


def test_priors_from_the_data():
    def prior(name):
        return PARAMETERS[name].prior(ESTIMATES)

    assert (prior("pa_deg").low, prior("pa_deg").high) == (-140.0, 220.0)
    assert (prior("vsys_kms").low, prior("vsys_kms").high) == (1000.0, 1500.0)
    assert (prior("x0_arcsec").low, prior("y0_arcsec").high) == (-4.0, 4.0)
    assert prior("ring_width_arcsec") == LogUniform(low=0.025, high=8.0)
    assert prior("pa_gradient_deg_per_arcsec") == Normal(mean=0.0, sd=5.0)
    assert prior("flux_jykms") == LogUniform(low=0.3, high=270.0)


def test_starts_lie_in_the_priors():
    for name, parameter in PARAMETERS.items():
        if parameter.start is not None:
            prior, start = parameter.prior, parameter.start(ESTIMATES)
            prior = prior(ESTIMATES) if callable(prior) else prior
            assert prior.low is None or prior.low < start.value, name
            assert prior.high is None or start.value < prior.high, name
            assert start.scatter > 0


def test_every_record_is_documented():
    for record in every_ingredient():
        assert record.title
        assert record.__doc__
        for parameter in record.parameters:
            assert parameter.meaning
            assert parameter.label


@pytest.mark.parametrize("name", [name for name, p in PARAMETERS.items() if p.positive])
def test_a_positive_parameter_takes_no_prior_that_reaches_zero(make, name):
    priors = {name: Normal(mean=1.0, sd=1.0).model_dump()}
    with pytest.raises(ContractError, match=f"{name} must stay positive"):
        parse(fields(make, priors=priors), where="g")
    priors = {name: Fixed(value=1.0).model_dump()}
    assert parse(fields(make, priors=priors), where="g").priors[name] == Fixed(value=1.0)


def test_an_unknown_kind_is_told_the_known_ones(make):
    with pytest.raises(ContractError) as caught:
        parse(fields(make, mass=[{"kind": "cusp"}], disc={"profile": "cone"}), where="g")
    assert all(f"'{kind}'" in str(caught.value) for kind in (*kinds(MassComponent), *kinds(GasProfile)))


def test_a_component_is_given_once(make):
    with pytest.raises(ContractError, match="mass: 'nfw' is given more than once"):
        parse(fields(make, mass=[{"kind": "nfw"}, {"kind": "nfw"}]), where="g")


@pytest.mark.parametrize("version", ["1.0", "1.1", "1.2"])
def test_halo_and_self_gravity_of_older_files_are_mass_components(make, version):
    old = fields(make, schema_version=version, halo={"kind": "nfw"}, disc={"self_gravity": True})
    del old["mass"]
    galaxy = parse(old, where="g")
    assert [component.kind for component in galaxy.mass] == ["gas_disc", "nfw"]
    none = parse(old | {"halo": None, "disc": {"self_gravity": False}}, where="g")
    assert none.mass == ()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"disc": {"self_gravity": "perhaps"}}, "disc.self_gravity"),
        ({"halo": {"kind": "cusp"}}, "'cusp'"),
        ({"halo": 3}, "mass.0"),
    ],
)
def test_what_an_older_file_has_wrong_is_refused_as_it_stands(make, change, message):
    old = fields(make, schema_version="1.2") | change
    del old["mass"]
    with pytest.raises(ContractError, match=message):
        parse(old, where="g")


def test_a_galaxy_in_another_document_is_read_by_its_own_version(make):
    job = make.survey_job().model_dump(mode="json")
    old = job["galaxy"] | {"schema_version": "1.1", "halo": {"kind": "nfw"}}
    del old["mass"]
    assert parse(job | {"galaxy": old}, where="job").galaxy == make.survey_job().galaxy
    with pytest.raises(ContractError, match=r"galaxy: galaxy schema_version '9.1' is newer .* update"):
        parse(job | {"galaxy": job["galaxy"] | {"schema_version": "9.1"}}, where="job")


def test_priors_of_ingredients_that_a_galaxy_lacks_do_not_identify_its_fit(make):
    def identity(**priors):
        return job_identity(parse(fields(make, mass=[], priors=priors), where="g"), "sha256:data", None)

    plain = identity()
    assert identity(log10_cluster_mass=Fixed(value=7.0).model_dump()) == plain
    assert identity(log10_mbh=Fixed(value=7.0).model_dump()) != plain


def test_an_option_that_a_galaxy_does_not_use_does_not_identify_its_fit(make):
    """A fit whose identity was stored before there were flexible stars is still the same fit."""
    galaxy = make.galaxy()
    assert galaxy.stars.flexibility is None
    plain = job_identity(galaxy, "sha256:data", None)
    said = galaxy.model_dump(mode="json", exclude_none=True)
    assert job_identity(parse(said, where="g"), "sha256:data", None) == plain
    said["stars"]["flexibility"] = {}
    assert job_identity(parse(said, where="g"), "sha256:data", None) != plain
