"""Floor 7, the edges: everything that faces a socket, a terminal or an operator."""
