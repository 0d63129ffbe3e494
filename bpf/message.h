/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The CoAP header (RFC 7252 section 3): is it a request, and one that may have been published?
 */
#ifndef COAX_BPF_MESSAGE_H
#define COAX_BPF_MESSAGE_H

#include "packet.h"
#include "stats.h"

static __always_inline bool is_response(__u8 code)
{
	switch (COAX_CODE_CLASS(code)) {
	case 2:
	case 4:
	case 5:
		return true;
	default:
		return false;
	}
}

static __always_inline bool is_ping(const struct packet *packet)
{
	return packet->code == COAX_EMPTY;
}

/*
 * Only a bare CON may be Empty (sections 4.1, 4.2, 4.3); reserved classes make a message format
 * error as well. The reaction to those is userspace's.
 */
static __always_inline enum outcome check_code(const struct packet *packet)
{
	__u8 code = packet->code;

	if (packet->type == COAX_TYPE_ACK || packet->type == COAX_TYPE_RST || is_response(code))
		return OUTCOME(pass_message);
	if (COAX_CODE_CLASS(code))
		return OUTCOME(pass_malformed);
	if (code == COAX_EMPTY) {
		bool bare = !packet->token_length && !packet->request_length;

		return bare && packet->type == COAX_TYPE_CON ? GO_ON : OUTCOME(pass_malformed);
	}
	/* The safe ones (RFC 7252 section 5.1, RFC 8132 section 2). */
	if (code != COAX_GET && code != COAX_FETCH)
		return OUTCOME(pass_method);
	if (packet->request_length > COAX_KEY_MAX)
		return OUTCOME(pass_long);
	return GO_ON;
}

/* Sets type, code, token_length, request and request_length of the packet. */
static __always_inline enum outcome parse_message(const struct xdp_md *ctx, struct packet *packet)
{
	const struct coap_header *coap =
		frame_start(ctx) + packet->transport + sizeof(struct udphdr);
	__u32 header_length;

	if ((const void *)(coap + 1) > frame_end(ctx))
		return OUTCOME(pass_malformed);
	packet->type = coap->first >> 4 & 3;
	packet->token_length = coap->first & 0xf;
	packet->code = coap->code;
	header_length = sizeof(*coap) + packet->token_length;
	if (coap->first >> 6 != COAX_VERSION || packet->token_length > COAX_TOKEN_MAX ||
	    header_length > packet->request_length)
		return OUTCOME(pass_malformed);
	packet->request = packet->transport + sizeof(struct udphdr) + header_length;
	packet->request_length -= header_length;
	return check_code(packet);
}

#endif
