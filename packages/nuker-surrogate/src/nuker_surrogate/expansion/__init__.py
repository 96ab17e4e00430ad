"""From a law to Gaussians: linear maps, network heads, the least-squares optimum, and the accuracy of each."""
