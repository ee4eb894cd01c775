#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Compares our library and header with stock's: symbols, their versions, that of pkg-config, sizes and offsets of what is in the header.
# Usage: unit_lib_abi.sh [OUR-LIBRARY]
set -u
ours=${1:-lib/.libs/libcpg.so.4}
top=${srcdir:-.}
stock_header=/usr/include/corosync/cpg.h

skip()
{
	echo "SKIP: $1"
	exit 77
}

[ -e "$ours" ] || { echo "$ours: not built"; exit 1; }
stock=
for directory in /usr/lib/"$(uname -m)"-linux-gnu /usr/lib64 /usr/lib /lib64; do
	[ -e "$directory/libcpg.so.4" ] && stock=$directory/libcpg.so.4 && break
done
[ -n "$stock" ] || skip "stock's libcpg.so.4 is not installed (apt-get install libcpg4)"
[ "$(readlink -f "$stock")" != "$(readlink -f "$ours")" ] || skip "the installed libcpg.so.4 is ours"
[ -e "$stock_header" ] || skip "stock's cpg.h is not installed (apt-get install libcpg-dev)"
command -v readelf >/dev/null || skip "readelf is not installed (apt-get install binutils)"

work=$(mktemp -d "${TMPDIR:-/tmp}/cpg-abi.XXXXXX") || exit 1
trap 'rm -rf "$work"' EXIT
failed=0

same()
{
	diff -u "$work/stock.$1" "$work/ours.$1" || { echo "FAIL: $1 differ from stock's"; failed=1; }
}

# Name with version, and type, of what a library defines.
symbols()
{
	readelf --dyn-syms -W "$1" | awk '$7 != "UND" && $5 ~ /GLOBAL|WEAK/ {print $8, $4, $5, $6}' | LC_ALL=C sort
}

# What is only ours has a version of its own, so that no call of stock's can ever be taken for it.
extra='@@CPG_ZCB_ASYNC_1.0 '
symbols "$stock" >"$work/stock.symbols"
symbols "$ours" | grep -v -e "$extra" -e '^CPG_ZCB_ASYNC_1.0 ' >"$work/ours.symbols"
[ "$(symbols "$ours" | grep "$extra" | cut -d@ -f1 | tr '\n' ' ')" = 'cpg_zcb_mcast_async cpg_zcb_wait ' ] ||
	{ echo "FAIL: the calls that are only ours are not what they should be"; failed=1; }
[ "$(wc -l <"$work/stock.symbols")" -ge 21 ] || { echo "FAIL: could not read stock's symbols"; failed=1; }
same symbols

for library in stock ours; do
	case $library in
	stock) file=$stock ;;
	*) file=$ours ;;
	esac
	readelf -d "$file" | sed -n 's/.*SONAME.*\[\(.*\)\]/\1/p' >"$work/$library.soname"
	basename "$(readlink -f "$file")" >"$work/$library.version"
done
same soname
same version
sed -n 's/^Version: //p' "$(dirname "$stock")/pkgconfig/libcpg.pc" >"$work/stock.pkgconfig"
sed -n 's/^Version: //p' lib/libcpg.pc >"$work/ours.pkgconfig"
same pkgconfig

# The same program with each header. Prototypes and enumerators are compared by declaring them again.
cat >"$work/sizes.c" <<'PROGRAM'
#include HEADER
#include <stdio.h>
#include <stddef.h>
#include <sys/uio.h>

#define SIZE(type) printf("sizeof " #type " %zu\n", sizeof(type))
#define FIELD(type, field) printf("offsetof " #type " " #field " %zu %zu\n", offsetof(type, field), \
				  sizeof(((type *)0)->field))
#define VALUE(name) printf(#name " %ld\n", (long)(name))

cs_error_t cpg_initialize(cpg_handle_t *, cpg_callbacks_t *);
cs_error_t cpg_model_initialize(cpg_handle_t *, cpg_model_t, cpg_model_data_t *, void *);
cs_error_t cpg_finalize(cpg_handle_t);
cs_error_t cpg_fd_get(cpg_handle_t, int *);
cs_error_t cpg_max_atomic_msgsize_get(cpg_handle_t, uint32_t *);
cs_error_t cpg_context_get(cpg_handle_t, void **);
cs_error_t cpg_context_set(cpg_handle_t, void *);
cs_error_t cpg_dispatch(cpg_handle_t, cs_dispatch_flags_t);
cs_error_t cpg_join(cpg_handle_t, const struct cpg_name *);
cs_error_t cpg_leave(cpg_handle_t, const struct cpg_name *);
cs_error_t cpg_mcast_joined(cpg_handle_t, cpg_guarantee_t, const struct iovec *, unsigned int);
cs_error_t cpg_membership_get(cpg_handle_t, struct cpg_name *, struct cpg_address *, int *);
cs_error_t cpg_local_get(cpg_handle_t, unsigned int *);
cs_error_t cpg_flow_control_state_get(cpg_handle_t, cpg_flow_control_state_t *);
cs_error_t cpg_zcb_alloc(cpg_handle_t, size_t, void **);
cs_error_t cpg_zcb_free(cpg_handle_t, void *);
cs_error_t cpg_zcb_mcast_joined(cpg_handle_t, cpg_guarantee_t, void *, size_t);
cs_error_t cpg_iteration_initialize(cpg_handle_t, cpg_iteration_type_t, const struct cpg_name *,
				    cpg_iteration_handle_t *);
cs_error_t cpg_iteration_next(cpg_iteration_handle_t, struct cpg_iteration_description_t *);
cs_error_t cpg_iteration_finalize(cpg_iteration_handle_t);

static void deliver(cpg_handle_t h, const struct cpg_name *g, uint32_t n, uint32_t p, void *m, size_t l)
{
	(void)h, (void)g, (void)n, (void)p, (void)m, (void)l;
}

static void confchg(cpg_handle_t h, const struct cpg_name *g, const struct cpg_address *m, size_t mc,
		    const struct cpg_address *l, size_t lc, const struct cpg_address *j, size_t jc)
{
	(void)h, (void)g, (void)m, (void)mc, (void)l, (void)lc, (void)j, (void)jc;
}

static void totem(cpg_handle_t h, struct cpg_ring_id r, uint32_t n, const uint32_t *m)
{
	(void)h, (void)r, (void)n, (void)m;
}

int main(void)
{
	cpg_deliver_fn_t deliver_fn = deliver;
	cpg_confchg_fn_t confchg_fn = confchg;
	cpg_totem_confchg_fn_t totem_fn = totem;
	struct in_addr address = {0}; /* stock's header brings netinet/in.h along */

	(void)deliver_fn, (void)confchg_fn, (void)totem_fn, (void)address;
	SIZE(cpg_handle_t); SIZE(cpg_iteration_handle_t); SIZE(cpg_guarantee_t); SIZE(cpg_reason_t);
	SIZE(cpg_flow_control_state_t); SIZE(cpg_iteration_type_t); SIZE(cpg_model_t); SIZE(cpg_callbacks_t);
	SIZE(cpg_model_data_t); SIZE(cpg_model_v1_data_t); SIZE(struct cpg_address); SIZE(struct cpg_name);
	SIZE(struct cpg_iteration_description_t); SIZE(struct cpg_ring_id);
	FIELD(struct cpg_address, nodeid); FIELD(struct cpg_address, pid); FIELD(struct cpg_address, reason);
	FIELD(struct cpg_name, length); FIELD(struct cpg_name, value);
	FIELD(struct cpg_iteration_description_t, group); FIELD(struct cpg_iteration_description_t, nodeid);
	FIELD(struct cpg_iteration_description_t, pid);
	FIELD(struct cpg_ring_id, nodeid); FIELD(struct cpg_ring_id, seq);
	FIELD(cpg_callbacks_t, cpg_deliver_fn); FIELD(cpg_callbacks_t, cpg_confchg_fn);
	FIELD(cpg_model_data_t, model); FIELD(cpg_model_v1_data_t, model);
	FIELD(cpg_model_v1_data_t, cpg_deliver_fn); FIELD(cpg_model_v1_data_t, cpg_confchg_fn);
	FIELD(cpg_model_v1_data_t, cpg_totem_confchg_fn); FIELD(cpg_model_v1_data_t, flags);
	VALUE(CPG_TYPE_UNORDERED); VALUE(CPG_TYPE_FIFO); VALUE(CPG_TYPE_AGREED); VALUE(CPG_TYPE_SAFE);
	VALUE(CPG_FLOW_CONTROL_DISABLED); VALUE(CPG_FLOW_CONTROL_ENABLED);
	VALUE(CPG_REASON_UNDEFINED); VALUE(CPG_REASON_JOIN); VALUE(CPG_REASON_LEAVE); VALUE(CPG_REASON_NODEDOWN);
	VALUE(CPG_REASON_NODEUP); VALUE(CPG_REASON_PROCDOWN);
	VALUE(CPG_ITERATION_NAME_ONLY); VALUE(CPG_ITERATION_ONE_GROUP); VALUE(CPG_ITERATION_ALL);
	VALUE(CPG_MODEL_V1); VALUE(CPG_MAX_NAME_LENGTH); VALUE(CPG_MEMBERS_MAX);
	VALUE(CPG_MODEL_V1_DELIVER_INITIAL_TOTEM_CONF);
	return 0;
}
PROGRAM

sizes()
{
	${CC:-cc} -Wall -Werror -DHEADER="\"$2\"" -o "$work/$1" "$work/sizes.c" && "$work/$1" >"$work/$1.header"
}

sizes stock "$stock_header" || failed=1
sizes ours "$(readlink -f "$top/include/corosync/cpg.h")" || { echo "FAIL: our header declares something else"; failed=1; }
same header
# Whoever has a C++ compiler can use it from there.
if command -v c++ >/dev/null; then
	printf '#include "%s"\nint main() { cpg_handle_t h; return cpg_initialize(&h, 0) == CS_OK; }\n' \
		"$(readlink -f "$top/include/corosync/cpg.h")" >"$work/plus.cc"
	c++ -Wall -Werror -fsyntax-only "$work/plus.cc" || failed=1
fi
exit $failed
