"""Versioned data contracts of Steelyard: pydantic models and Zarr stores."""
