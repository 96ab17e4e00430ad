"""A gridded `.npz` made by viscube itself, as its authors make them and SuperMAGE reads them."""

import contextlib
import io

import numpy as np
import viscube
from vis_gridder.constants import SPEED_OF_LIGHT_M_S


def save_viscube_grid(path, vis, *, cell_arcsec, npix, half=True, beta=2.0):
    """Grid visibilities by viscube, with its own noise estimate, and save the arrays that SuperMAGE reads."""
    frequency, good = vis["frequency_hz"], ~vis["flag"].T
    u, v = (vis[name] * frequency[:, None] / SPEED_OF_LIGHT_M_S for name in ("u_m", "v_m"))
    data = vis["vis"].T.astype(complex)
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        sigma = viscube.sigma_by_baseline_scan_time_diff(
            data, good, vis["time_mjd_s"], vis["scan"], vis["antenna1"], vis["antenna2"]
        )
        _, *masked = viscube.load_and_mask(frequency, u, v, data, vis["weight"].T, *sigma, good)
        uu, vv, re, im, weight, sigma_re, sigma_im = viscube.hermitian_augment(*masked)
        *planes, counts, edges, _ = viscube.grid_cube_all_stats_nonoverlap(
            frequencies=frequency,
            uu=uu,
            vv=vv,
            vis_re=re,
            vis_imag=im,
            weight=weight,
            invvar_group_re=sigma_re**-2,
            invvar_group_im=sigma_im**-2,
            npix=npix,
            fov_arcsec=npix * cell_arcsec,
            beta=beta,
            n_aug=masked[0].shape[1],
        )
    planes.append(counts > 0)
    if half:
        planes = [viscube.half_plane_slab(plane, npix) for plane in planes]
        planes[-1] = viscube.half_plane_mask_fix(planes[-1], npix)
        # SuperMAGE wants 0 and 1 where there is no data.
        empty = (0.0, 0.0, 1.0, 1.0, False)
        planes = [np.where(planes[-1], plane, value) for plane, value in zip(planes, empty, strict=True)]
    delta_u = edges[1] - edges[0]
    np.savez(
        path,
        **dict(zip(("vis_bin_re", "vis_bin_imag", "std_bin_re", "std_bin_imag", "mask"), planes, strict=True)),
        npix=npix,
        fov_arcsec=npix * cell_arcsec,
        delta_u=delta_u,
        chan_freq_hz=frequency,
        half_plane=half,
        taper_map=viscube.make_kb_taper_map(npix=npix, delta_u=delta_u, m=1, beta=beta),
        window="kaiser_bessel",
        window_m=1,
        window_beta=beta,
    )
