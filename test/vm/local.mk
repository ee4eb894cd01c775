# test/vm: its part of the Makefile. Three virtual machines: ./quickstart check --long runs it.
EXTRA_DIST += test/vm/cluster test/vm/image.sh test/vm/vm.sh test/vm/vm-control test/vm/vm-control.service
