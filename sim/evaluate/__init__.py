"""How good suggestions are, on real baskets that the models have not seen: protocol, baselines and ours."""
