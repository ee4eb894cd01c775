# service: its part of the Makefile
