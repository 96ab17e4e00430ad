"""The data of a fit: opened, checked, cropped, and what they say at first sight."""
