# test/api: its part of the Makefile
