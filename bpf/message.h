/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The CoAP header (RFC 7252 section 3): is it a request, and one that may have been published? Is
 * it a message at all? What the options say is not looked at.
 */
#ifndef COAX_BPF_MESSAGE_H
#define COAX_BPF_MESSAGE_H

#include "packet.h"
#include "stats.h"

/* RFC 8974 section 2.1: token lengths that stand in bytes of their own, and one that is none. */
#define TOKEN_LENGTH_8BIT     13
#define TOKEN_LENGTH_16BIT    14
#define TOKEN_LENGTH_RESERVED 15

/* Longest message that is rejected from here, without its header: all of it is summed up. */
#define REJECTED_MAX 64

static __always_inline bool is_reserved(__u8 code)
{
	switch (COAX_CODE_CLASS(code)) {
	case 1:
	case 6:
	case 7:
		return true;
	default:
		return false;
	}
}

/* ACK and RST react to a message of ours, and are never reacted to (RFC 7252 section 4.2). */
static __always_inline bool is_reaction(const struct packet *packet)
{
	return packet->type == COAX_TYPE_ACK || packet->type == COAX_TYPE_RST;
}

/*
 * RFC 7252 sections 4.2 and 4.3: rejecting a CON is sending the matching RST, rejecting anything
 * else is ignoring it. Of the message, whatever is behind the header (`length` bytes) goes.
 */
static __always_inline enum outcome reject(struct packet *packet, __u64 length, enum outcome reset,
					   enum outcome drop)
{
	if (packet->type != COAX_TYPE_CON)
		return drop;
	if (length > REJECTED_MAX)
		return OUTCOME(pass_malformed);
	packet->reset = reset;
	packet->token_length = 0;
	packet->request = packet->transport + sizeof(struct udphdr) + sizeof(struct coap_header);
	packet->request_length = length;
	return GO_ON;
}

/* What is wrong with a header and its token, if anything is. `length`: of the message. */
static __always_inline enum outcome check_odd_header(struct packet *packet, __u8 version,
						     __u64 length)
{
	__u64 rest = length - sizeof(struct coap_header);

	if (length < sizeof(struct coap_header))
		return OUTCOME(drop_short);
	/* Section 3: MUST be silently ignored. */
	if (version != COAX_VERSION)
		return OUTCOME(drop_version);
	/* There is a token length. */
	if (packet->code == COAX_EMPTY)
		return reject(packet, rest, OUTCOME(reset_empty), OUTCOME(drop_empty));
	if (packet->token_length == TOKEN_LENGTH_8BIT || packet->token_length == TOKEN_LENGTH_16BIT)
		return OUTCOME(pass_token);
	if (packet->token_length == TOKEN_LENGTH_RESERVED || packet->token_length > rest)
		return reject(packet, rest, OUTCOME(reset_token), OUTCOME(drop_token));
	return OUTCOME(pass_token);
}

/* An Empty CON that is nothing but a header is the "CoAP ping" (section 4.3): RST as well. */
static __always_inline enum outcome check_empty(struct packet *packet)
{
	__u64 rest = packet->token_length + packet->request_length;

	if (rest)
		return reject(packet, rest, OUTCOME(reset_empty), OUTCOME(drop_empty));
	if (is_reaction(packet))
		return OUTCOME(pass_message);
	return reject(packet, 0, OUTCOME(pong), OUTCOME(drop_empty));
}

/* Of what is no short request. */
static __always_inline enum outcome check_code(struct packet *packet)
{
	__u8 code = packet->code;

	if (code == COAX_EMPTY)
		return check_empty(packet);
	if (is_reserved(code))
		return reject(packet, packet->token_length + packet->request_length,
			      OUTCOME(reset_code), OUTCOME(drop_code));
	if (is_reaction(packet) || COAX_CODE_CLASS(code))
		return OUTCOME(pass_message);
	/* The safe ones (RFC 7252 section 5.1, RFC 8132 section 2). */
	return code == COAX_GET || code == COAX_FETCH ? OUTCOME(pass_long) : OUTCOME(pass_method);
}

static __always_inline const struct coap_header *coap_header(const struct packet *packet)
{
	return udp_header(packet) + sizeof(struct udphdr);
}

/*
 * What is asked most: GET or FETCH in a CON or NON, with nothing odd about it, and no longer than
 * what may have been published. Sets type, code, token_length, request and request_length, if it
 * is one.
 */
static __always_inline bool parse_short_request(struct packet *packet)
{
	const struct coap_header *coap = coap_header(packet);
	__u64 token_length, rest;

	if ((const void *)(coap + 1) > packet->end)
		return false;
	token_length = coap->first & 0xf;
	rest = packet->request_length - sizeof(*coap) - token_length;
	if ((coap->first & ~(COAX_TYPE_NON << 4 | 0xf)) != COAX_VERSION << 6 ||
	    (coap->code & ~(COAX_GET ^ COAX_FETCH)) != COAX_GET || token_length > COAX_TOKEN_MAX ||
	    rest > COAX_KEY_MAX)
		return false;
	packet->type = coap->first >> 4 & COAX_TYPE_NON;
	packet->code = coap->code;
	packet->token_length = token_length;
	packet->request = packet->transport + sizeof(struct udphdr) + sizeof(*coap) + token_length;
	packet->request_length = rest;
	return true;
}

_Static_assert(COAX_TYPE_CON == 0 && COAX_TYPE_NON == 1, "they differ in one bit");
_Static_assert((COAX_GET & COAX_FETCH) == COAX_GET, "what FETCH has more is not in GET");

/*
 * The same for any other message, and `reset`. GO_ON: RST is what answers it.
 */
static __always_inline enum outcome parse_message(struct packet *packet)
{
	const struct coap_header *coap = coap_header(packet);
	__u32 header_length;

	/* Undefined on no way: compilers copy such a value, and the verifier refuses that. */
	packet->reset = GO_ON;
	packet->token_length = 0;
	packet->request = 0;
	packet->type = 0;
	packet->code = 0;
	if ((const void *)(coap + 1) > packet->end)
		return OUTCOME(drop_short);
	packet->type = coap->first >> 4 & 3;
	packet->token_length = coap->first & 0xf;
	packet->code = coap->code;
	header_length = sizeof(*coap) + packet->token_length;
	if (coap->first >> 6 != COAX_VERSION || packet->token_length > COAX_TOKEN_MAX ||
	    header_length > packet->request_length)
		return check_odd_header(packet, coap->first >> 6, packet->request_length);
	packet->request = packet->transport + sizeof(struct udphdr) + header_length;
	packet->request_length -= header_length;
	return check_code(packet);
}

#endif
