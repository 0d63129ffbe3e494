/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Who is answered, and how much: no open reflector, and a flood of forged sources keeps nobody else
 * waiting (RFC 7252 section 11.3, RFC 9175 section 2.4). The same in the kernel and in userspace.
 *
 * Requests beyond the limit of their prefix get 4.29 (RFC 8516). Those of sources to which too much
 * has gone, or of strangers while too many of them ask, get 4.01 with an Echo; who sends that back
 * is where it says it is, and is verified for five minutes. The kernel drops such requests, all
 * but one of `pass_every`. The loopback addresses are not limited.
 */
#ifndef COAX_GUARD_H
#define COAX_GUARD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define COAX_UNLIMITED UINT32_MAX

/* A zeroed field is the default named behind it, and COAX_UNLIMITED switches a limit off. */
struct coax_guard_options {
	/*
	 * Requests a second of a prefix, and as many at once; no limit: hundreds of clients may be
	 * behind one address.
	 */
	uint32_t requests;
	/*
	 * Requests a second that userspace handles for sources that were not heard of in the last
	 * 18 minutes, all together: 5000, and a fifth of that at once. From half of it on they are
	 * challenged.
	 */
	uint32_t strangers;
	/*
	 * A reply is large when its frame is more than so many times its request's: 3. Large
	 * replies to who is not verified are bounded in bytes a second: to a prefix 262144, and 16
	 * times that at once; to all 4194304, and eight times that.
	 */
	uint32_t factor;
	uint32_t reply_bytes;
	uint32_t reply_bytes_total;
	uint32_t pass_every; /* 64 */
	uint8_t ipv4_bits;   /* 32: of an address that are a prefix */
	uint8_t ipv6_bits;   /* 64, which is the most */
	/* "192.0.2.0/24", "2001:db8::1"; the longest one that fits counts. Not limited: */
	const char *const *allow;
	size_t allow_count;
	/* Not answered: */
	const char *const *deny;
	size_t deny_count;
	/*
	 * The kernel half drops what comes from where the way back is another interface. It asks
	 * the routing table, which answers only where forwarding is on; else it leaves everything
	 * to userspace, and rp_filter.
	 */
	bool strict_source;
};

#endif
