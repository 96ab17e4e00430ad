"""The `.npz` files of viscube."""
