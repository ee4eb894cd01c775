# test/fault: its part of the Makefile
