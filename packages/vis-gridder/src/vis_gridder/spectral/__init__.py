"""What is done to spectra before gridding: frames, channels, continuum."""
