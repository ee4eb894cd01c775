# test/cluster: its part of the Makefile
