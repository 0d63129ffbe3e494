/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Ethernet frames with a CoAP message in them, built byte by byte from the RFCs and without a line
 * of the program under test.
 */
#ifndef COAX_TEST_FRAME_H
#define COAX_TEST_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define FRAME_MAX 4096

enum frame_checksum {
	FRAME_CHECKSUM_FULL,
	FRAME_CHECKSUM_PARTIAL, /* the pseudo header's sum, as a sender with offload leaves it */
	FRAME_CHECKSUM_ZERO,
};

struct frame_flow {
	uint8_t source_mac[6];
	uint8_t destination_mac[6];
	uint8_t source_ip[16]; /* the first four bytes for IPv4 */
	uint8_t destination_ip[16];
	uint16_t source_port;
	uint16_t destination_port;
	bool ipv6;
	unsigned int tags;
	uint16_t tag_protocol[2];
	uint16_t tag_control[2];
	uint8_t ttl;
	uint8_t traffic_class;
	uint32_t flow_label;
	uint16_t ip_id;
	bool dont_fragment;
	enum frame_checksum checksum;
	size_t padding; /* bytes behind the IP packet */
};

struct frame {
	uint8_t bytes[FRAME_MAX];
	size_t length;
	size_t network, transport, coap; /* where the headers begin */
	bool ipv6;
};

static inline void frame_put16(uint8_t *at, uint16_t value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

static inline uint16_t frame_get16(const uint8_t *at)
{
	return (uint16_t)(at[0] << 8 | at[1]);
}

/* RFC 1071: sum of 16-bit words, folded, not inverted. */
static inline uint16_t frame_sum(const uint8_t *bytes, size_t length, uint32_t sum)
{
	for (size_t i = 0; i < length; i++)
		sum += i % 2 ? bytes[i] : (uint32_t)bytes[i] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)sum;
}

static inline uint16_t frame_pseudo_sum(const struct frame *frame)
{
	const uint8_t *ip = frame->bytes + frame->network;
	uint16_t length = frame_get16(frame->bytes + frame->transport + 4);

	if (frame->ipv6)
		return frame_sum(ip + 8, 32, 17u + length);
	return frame_sum(ip + 12, 8, 17u + length);
}

/* What the UDP checksum has to be, with all bytes taken into account. */
static inline uint16_t frame_udp_checksum(const struct frame *frame)
{
	const uint8_t *udp = frame->bytes + frame->transport;
	uint16_t length = frame_get16(udp + 4);
	uint16_t sum = frame_sum(udp, 6, frame_pseudo_sum(frame));

	sum = (uint16_t)~frame_sum(udp + 8, length - 8u, sum);
	return sum ? sum : 0xffff;
}

static inline void frame_fix_ip_checksum(struct frame *frame)
{
	uint8_t *ip = frame->bytes + frame->network;

	if (frame->ipv6)
		return;
	frame_put16(ip + 10, 0);
	frame_put16(ip + 10, (uint16_t)~frame_sum(ip, (ip[0] & 0xfu) * 4, 0));
}

static inline void frame_fix_udp_checksum(struct frame *frame, enum frame_checksum checksum)
{
	uint8_t *check = frame->bytes + frame->transport + 6;

	if (checksum == FRAME_CHECKSUM_ZERO)
		frame_put16(check, 0);
	else if (checksum == FRAME_CHECKSUM_PARTIAL)
		frame_put16(check, frame_pseudo_sum(frame));
	else
		frame_put16(check, frame_udp_checksum(frame));
}

static inline size_t frame_put_ethernet(uint8_t *at, const struct frame_flow *flow)
{
	size_t length = 12;

	memcpy(at, flow->destination_mac, 6);
	memcpy(at + 6, flow->source_mac, 6);
	for (unsigned int i = 0; i < flow->tags; i++, length += 4) {
		frame_put16(at + length, flow->tag_protocol[i]);
		frame_put16(at + length + 2, flow->tag_control[i]);
	}
	frame_put16(at + length, flow->ipv6 ? 0x86dd : 0x0800);
	return length + 2;
}

static inline size_t frame_put_ipv4(uint8_t *at, const struct frame_flow *flow, size_t udp_length)
{
	memset(at, 0, 20);
	at[0] = 0x45;
	at[1] = flow->traffic_class;
	frame_put16(at + 2, (uint16_t)(20 + udp_length));
	frame_put16(at + 4, flow->ip_id);
	frame_put16(at + 6, flow->dont_fragment ? 0x4000 : 0);
	at[8] = flow->ttl;
	at[9] = 17;
	memcpy(at + 12, flow->source_ip, 4);
	memcpy(at + 16, flow->destination_ip, 4);
	return 20;
}

static inline size_t frame_put_ipv6(uint8_t *at, const struct frame_flow *flow, size_t udp_length)
{
	at[0] = (uint8_t)(0x60 | flow->traffic_class >> 4);
	at[1] = (uint8_t)(flow->traffic_class << 4 | (flow->flow_label >> 16 & 0xf));
	frame_put16(at + 2, (uint16_t)flow->flow_label);
	frame_put16(at + 4, (uint16_t)udp_length);
	at[6] = 17;
	at[7] = flow->ttl;
	memcpy(at + 8, flow->source_ip, 16);
	memcpy(at + 24, flow->destination_ip, 16);
	return 40;
}

/* `message` is whatever follows the UDP header. */
static inline void frame_build(struct frame *frame, const struct frame_flow *flow,
			       const void *message, size_t length)
{
	uint8_t *udp;

	frame->ipv6 = flow->ipv6;
	frame->network = frame_put_ethernet(frame->bytes, flow);
	frame->transport = frame->network;
	if (flow->ipv6)
		frame->transport += frame_put_ipv6(frame->bytes + frame->network, flow, 8 + length);
	else
		frame->transport += frame_put_ipv4(frame->bytes + frame->network, flow, 8 + length);
	frame->coap = frame->transport + 8;
	udp = frame->bytes + frame->transport;
	frame_put16(udp, flow->source_port);
	frame_put16(udp + 2, flow->destination_port);
	frame_put16(udp + 4, (uint16_t)(8 + length));
	if (length)
		memcpy(udp + 8, message, length);
	frame->length = frame->coap + length;
	/* Not zero: nobody may take it for part of the packet. */
	memset(frame->bytes + frame->length, 0xa5, flow->padding);
	frame->length += flow->padding;
	frame_fix_ip_checksum(frame);
	frame_fix_udp_checksum(frame, flow->checksum);
}

/* The way back: what a reply to `flow` looks like (RFC 791, RFC 8200; a fresh TTL, no marks). */
static inline struct frame_flow frame_flow_back(const struct frame_flow *flow)
{
	struct frame_flow back = *flow;

	memcpy(back.source_mac, flow->destination_mac, 6);
	memcpy(back.destination_mac, flow->source_mac, 6);
	memcpy(back.source_ip, flow->destination_ip, 16);
	memcpy(back.destination_ip, flow->source_ip, 16);
	back.source_port = flow->destination_port;
	back.destination_port = flow->source_port;
	back.ttl = 64;
	back.traffic_class = 0;
	back.flow_label = 0;
	back.ip_id = 0;
	back.dont_fragment = true;
	back.checksum = FRAME_CHECKSUM_FULL;
	back.padding = 0;
	return back;
}

/* A CoAP message of header, token and `rest`. Returns its length. */
static inline size_t frame_message(uint8_t *at, uint8_t type, uint8_t code, uint16_t message_id,
				   const void *token, size_t token_length, const void *rest,
				   size_t length)
{
	at[0] = (uint8_t)(0x40 | type << 4 | token_length);
	at[1] = code;
	frame_put16(at + 2, message_id);
	if (token_length)
		memcpy(at + 4, token, token_length);
	if (length)
		memcpy(at + 4 + token_length, rest, length);
	return 4 + token_length + length;
}

#endif
