/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Ethernet frames with a CoAP request in them, and a look at the replies.
 */
#ifndef BENCH_FRAME_H
#define BENCH_FRAME_H

#include <linux/types.h>
#include <net/ethernet.h>
#include <coax/address.h>
#include <coax/message.h>
#include "generator.h"

struct bench_frame {
	uint8_t bytes[BENCH_FRAME_MAX];
	size_t length;
	size_t udp_offset;
	uint32_t checksum_base; /* as generator.bpf.c wants it */
	in_port_t server_port;
	struct coax_message request;
};

/*
 * Wrap a request. Both addresses are of one family; source's port is left 0 for the generator.
 * Returns 0, -EAFNOSUPPORT or -EMSGSIZE.
 */
int bench_frame_build(struct bench_frame *frame, const struct ether_addr *source_mac,
		      const struct ether_addr *destination_mac, const union coax_address *source,
		      const union coax_address *destination, const struct coax_message *request);

/*
 * Whether a frame is a right answer to the request that its port and message ID name: lengths,
 * checksums, addresses, token, type. `reflected`: it should be the request itself. Returns NULL or
 * what is wrong.
 */
const char *bench_frame_check(const struct bench_frame *sent, const uint8_t *reply, size_t length,
			      bool reflected);

#endif
