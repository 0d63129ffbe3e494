/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The program with hooks (hooked.bpf.c), to be opened instead of the one as it is.
 */
#ifndef COAX_TEST_HOOKS_H
#define COAX_TEST_HOOKS_H

#include "exchange.h"
#include "tests/bpf/hooked.skel.h"

/* As in hooked.bpf.c. */
struct hooks {
	uint32_t no_tail;
	uint32_t no_head;
	uint32_t race;
	uint32_t race_slot;
	uint32_t race_record;
};

static inline volatile struct hooks *hooked_open(struct kernel *kernel)
{
	struct exchange v4 = exchange_default(false), v6 = exchange_default(true);
	size_t size;
	const void *elf = hooked_bpf__elf_bytes(&size);

	kernel_open_object(kernel, elf, size);
	kernel_add_endpoint(kernel, &v4.flow);
	kernel_add_endpoint(kernel, &v6.flow);
	exchange_publish(kernel, EXCHANGE_SLOT, &v4);
	return kernel_variables(kernel, ".data.hooks");
}

#endif
