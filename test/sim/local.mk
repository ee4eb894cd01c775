# test/sim: its part of the Makefile
