# lib: its part of the Makefile
