"""Pictures of gridded data; matplotlib is loaded only when they are drawn."""
