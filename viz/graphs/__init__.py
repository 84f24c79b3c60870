"""What draws a graph: DOT text, levels of detail, the figure of propagation, and Graphviz's layout."""
