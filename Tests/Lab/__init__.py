"""The laboratory: network namespaces, foreign peers, captures and traffic for the tests that need
a real network. Only the standard library; everything it makes carries its own process number in
the name, so that two runs never meet."""
