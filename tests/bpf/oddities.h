/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The ways in which a request can be not quite one, and what each is counted as.
 */
#ifndef COAX_TEST_ODDITIES_H
#define COAX_TEST_ODDITIES_H

#include "exchange.h"

#define OUTCOME(name) offsetof(struct coax_stats, name)

/* A request that would be answered, with one thing changed: the frame, then its checksums. */
struct oddity {
	const char *sentence;
	size_t outcome;
	void (*change)(struct frame *frame);
	bool ipv4, ipv6;
};

static uint8_t *ip(struct frame *frame)
{
	return frame->bytes + frame->network;
}

static uint8_t *udp(struct frame *frame)
{
	return frame->bytes + frame->transport;
}

static uint8_t *coap(struct frame *frame)
{
	return frame->bytes + frame->coap;
}

static uint8_t *source(struct frame *frame)
{
	return ip(frame) + (frame->ipv6 ? 8 : 12);
}

static uint8_t *destination(struct frame *frame)
{
	return ip(frame) + (frame->ipv6 ? 24 : 16);
}

/* Ethernet: */

static void foreign_mac(struct frame *frame)
{
	frame->bytes[5] ^= 1;
}

static void foreign_mac_start(struct frame *frame)
{
	frame->bytes[0] ^= 4;
}

static void broadcast_mac(struct frame *frame)
{
	memset(frame->bytes, 0xff, 6);
}

static void multicast_mac(struct frame *frame)
{
	frame->bytes[0] |= 1;
}

static void multicast_source_mac(struct frame *frame)
{
	frame->bytes[6] |= 1;
}

static void other_protocol(struct frame *frame)
{
	frame_put16(frame->bytes + 12, 0x0806);
}

static void swapped_protocol(struct frame *frame)
{
	frame_put16(frame->bytes + 12, frame->ipv6 ? 0x0800 : 0x86dd);
}

/* IP: */

static void version(struct frame *frame)
{
	ip(frame)[0] = (uint8_t)((ip(frame)[0] & 0xf) | 0x50);
}

static void tcp(struct frame *frame)
{
	ip(frame)[frame->ipv6 ? 6 : 9] = 6;
}

static void hop_by_hop(struct frame *frame)
{
	ip(frame)[6] = 0;
}

static void short_header(struct frame *frame)
{
	ip(frame)[0] = 0x44;
}

static void no_header(struct frame *frame)
{
	ip(frame)[0] = 0x40;
}

static void more_fragments(struct frame *frame)
{
	ip(frame)[6] |= 0x20;
}

static void later_fragment(struct frame *frame)
{
	ip(frame)[7] = 1;
}

static void last_fragment(struct frame *frame)
{
	ip(frame)[6] |= 0x10;
}

static void options(struct frame *frame)
{
	memmove(udp(frame) + 4, udp(frame), frame->length - frame->transport);
	memset(udp(frame), 1, 4);
	frame->length += 4;
	frame->transport += 4;
	frame->coap += 4;
	ip(frame)[0] = 0x46;
	frame_put16(ip(frame) + 2, (uint16_t)(frame_get16(ip(frame) + 2) + 4));
}

static void set_ip_length(struct frame *frame, int change)
{
	uint8_t *length = ip(frame) + (frame->ipv6 ? 4 : 2);

	frame_put16(length, (uint16_t)(frame_get16(length) + change));
}

static void ip_longer_than_frame(struct frame *frame)
{
	set_ip_length(frame, 1);
	frame_put16(udp(frame) + 4, (uint16_t)(frame_get16(udp(frame) + 4) + 1));
}

static void ip_shorter_than_udp(struct frame *frame)
{
	set_ip_length(frame, -1);
}

static void ip_length_zero(struct frame *frame)
{
	frame_put16(ip(frame) + (frame->ipv6 ? 4 : 2), 0);
}

static void ip_length_huge(struct frame *frame)
{
	frame_put16(ip(frame) + (frame->ipv6 ? 4 : 2), 0xffff);
}

static void both_longer_than_frame(struct frame *frame)
{
	set_ip_length(frame, 200);
	frame_put16(udp(frame) + 4, (uint16_t)(frame_get16(udp(frame) + 4) + 200));
}

static void zero_source(struct frame *frame)
{
	memset(source(frame), 0, frame->ipv6 ? 16 : 4);
}

static void loopback_source(struct frame *frame)
{
	zero_source(frame);
	source(frame)[0] = frame->ipv6 ? 0 : 127;
	source(frame)[frame->ipv6 ? 15 : 3] = 1;
}

static void multicast_source(struct frame *frame)
{
	source(frame)[0] = frame->ipv6 ? 0xff : 224;
}

static void broadcast_source(struct frame *frame)
{
	memset(source(frame), 0xff, 4);
}

static void own_source(struct frame *frame)
{
	memcpy(source(frame), destination(frame), frame->ipv6 ? 16 : 4);
}

static void mapped_source(struct frame *frame)
{
	static const uint8_t mapped[] = {[10] = 0xff, [11] = 0xff, [12] = 192, [14] = 2, [15] = 9};

	memcpy(source(frame), mapped, 16);
}

static void foreign_destination(struct frame *frame)
{
	destination(frame)[frame->ipv6 ? 15 : 3] ^= 2;
}

static void foreign_prefix(struct frame *frame)
{
	destination(frame)[0] ^= 2;
}

static void multicast_destination(struct frame *frame)
{
	static const uint8_t all_coap_nodes4[] = {224, 0, 1, 187};
	static const uint8_t all_coap_nodes6[] = {0xff, 0x02, [15] = 0xfd};

	if (frame->ipv6)
		memcpy(destination(frame), all_coap_nodes6, 16);
	else
		memcpy(destination(frame), all_coap_nodes4, 4);
}

/* The IPv4 endpoint, in an IPv6 header. */
static void mapped_destination(struct frame *frame)
{
	struct frame_flow flow = kernel_flow(false);

	memset(destination(frame), 0, 16);
	memset(destination(frame) + 10, 0xff, 2);
	memcpy(destination(frame) + 12, flow.destination_ip, 4);
}

/* UDP: */

static void foreign_port(struct frame *frame)
{
	frame_put16(udp(frame) + 2, COAX_PORT_SECURE);
}

static void source_port_zero(struct frame *frame)
{
	frame_put16(udp(frame), 0);
}

static void udp_longer_than_ip(struct frame *frame)
{
	frame_put16(udp(frame) + 4, (uint16_t)(frame_get16(udp(frame) + 4) + 1));
}

static void udp_length_zero(struct frame *frame)
{
	frame_put16(udp(frame) + 4, 0);
}

static void udp_length_seven(struct frame *frame)
{
	frame_put16(udp(frame) + 4, 7);
	frame_put16(ip(frame) + (frame->ipv6 ? 4 : 2), frame->ipv6 ? 7 : 27);
}

/* CoAP: */

static void set_coap_length(struct frame *frame, size_t length)
{
	frame->length = frame->coap + length;
	frame_put16(udp(frame) + 4, (uint16_t)(8 + length));
	frame_put16(ip(frame) + (frame->ipv6 ? 4 : 2), (uint16_t)((frame->ipv6 ? 8 : 28) + length));
}

static void no_message(struct frame *frame)
{
	set_coap_length(frame, 0);
}

static void three_bytes(struct frame *frame)
{
	set_coap_length(frame, 3);
}

static void token_cut(struct frame *frame)
{
	set_coap_length(frame, 7);
}

static void version_zero(struct frame *frame)
{
	coap(frame)[0] &= 0x3f;
}

static void version_two(struct frame *frame)
{
	coap(frame)[0] ^= 0xc0;
}

static void token_of_nine(struct frame *frame)
{
	coap(frame)[0] = 0x49;
}

static void token_of_fifteen(struct frame *frame)
{
	coap(frame)[0] = 0x4f;
}

static void set_type(struct frame *frame, uint8_t type)
{
	coap(frame)[0] = (uint8_t)((coap(frame)[0] & 0xcf) | type << 4);
}

static void acknowledgement(struct frame *frame)
{
	set_type(frame, COAX_TYPE_ACK);
}

static void reset(struct frame *frame)
{
	set_type(frame, COAX_TYPE_RST);
}

static void response(struct frame *frame)
{
	coap(frame)[1] = COAX_CONTENT;
}

static void error_response(struct frame *frame)
{
	coap(frame)[1] = COAX_NOT_FOUND;
}

static void reserved_class(struct frame *frame)
{
	coap(frame)[1] = COAX_CODE(1, 1);
}

static void signalling(struct frame *frame)
{
	coap(frame)[1] = COAX_CODE(7, 1);
}

static void empty_with_token(struct frame *frame)
{
	set_coap_length(frame, 8);
	coap(frame)[1] = COAX_EMPTY;
}

static void empty_with_rest(struct frame *frame)
{
	set_coap_length(frame, 5);
	coap(frame)[0] = 0x40;
	coap(frame)[1] = COAX_EMPTY;
}

static void empty_non(struct frame *frame)
{
	set_coap_length(frame, 4);
	coap(frame)[0] = 0x50;
	coap(frame)[1] = COAX_EMPTY;
}

static void empty_ack(struct frame *frame)
{
	set_coap_length(frame, 4);
	coap(frame)[0] = 0x60;
	coap(frame)[1] = COAX_EMPTY;
}

static void empty_reset(struct frame *frame)
{
	set_coap_length(frame, 4);
	coap(frame)[0] = 0x70;
	coap(frame)[1] = COAX_EMPTY;
}

static void post(struct frame *frame)
{
	coap(frame)[1] = COAX_POST;
}

static void fetch(struct frame *frame)
{
	coap(frame)[1] = COAX_FETCH;
}

static void unknown_method(struct frame *frame)
{
	coap(frame)[1] = COAX_CODE(0, 31);
}

static void too_long(struct frame *frame)
{
	set_coap_length(frame, 4 + 4 + COAX_KEY_MAX + 1);
}

static void other_byte(struct frame *frame)
{
	coap(frame)[9] ^= 1;
}

static void one_byte_more(struct frame *frame)
{
	set_coap_length(frame, frame->length - frame->coap + 1);
}

static void one_byte_less(struct frame *frame)
{
	set_coap_length(frame, frame->length - frame->coap - 1);
}

#define BOTH true, true
#define IPV4 true, false
#define IPV6 false, true

static const struct oddity oddities[] = {
	{"another MAC address", OUTCOME(pass_not_ours), foreign_mac, BOTH},
	{"a MAC address that ends like ours", OUTCOME(pass_not_ours), foreign_mac_start, BOTH},
	{"the broadcast MAC address", OUTCOME(pass_not_ours), broadcast_mac, BOTH},
	{"a multicast MAC address", OUTCOME(pass_not_ours), multicast_mac, BOTH},
	{"from a multicast MAC address", OUTCOME(pass_unusual), multicast_source_mac, BOTH},
	{"not IP", OUTCOME(pass_not_ours), other_protocol, BOTH},
	{"the other IP version's EtherType", OUTCOME(pass_not_ours), swapped_protocol, BOTH},
	{"an IP version that is none", OUTCOME(pass_not_ours), version, BOTH},
	{"TCP", OUTCOME(pass_not_ours), tcp, BOTH},
	{"an IPv6 extension header", OUTCOME(pass_not_ours), hop_by_hop, IPV6},
	{"an IPv4 header of 16 bytes", OUTCOME(pass_not_ours), short_header, IPV4},
	{"an IPv4 header of no bytes", OUTCOME(pass_not_ours), no_header, IPV4},
	{"a first fragment", OUTCOME(pass_unusual), more_fragments, IPV4},
	{"a later fragment", OUTCOME(pass_not_ours), later_fragment, IPV4},
	{"a fragment far behind", OUTCOME(pass_not_ours), last_fragment, IPV4},
	{"IPv4 options", OUTCOME(pass_unusual), options, IPV4},
	{"an IP packet longer than the frame", OUTCOME(pass_unusual), ip_longer_than_frame, BOTH},
	{"a long datagram in a short frame", OUTCOME(pass_unusual), both_longer_than_frame, BOTH},
	{"an IP packet shorter than its datagram", OUTCOME(pass_unusual), ip_shorter_than_udp,
	 BOTH},
	{"an IP length of zero", OUTCOME(pass_unusual), ip_length_zero, BOTH},
	{"an IP length of 65535", OUTCOME(pass_unusual), ip_length_huge, BOTH},
	{"from the zero address", OUTCOME(pass_unusual), zero_source, BOTH},
	{"from the loopback address", OUTCOME(pass_unusual), loopback_source, BOTH},
	{"from a multicast address", OUTCOME(pass_unusual), multicast_source, BOTH},
	{"from the broadcast address", OUTCOME(pass_unusual), broadcast_source, IPV4},
	{"from our own address", OUTCOME(pass_unusual), own_source, BOTH},
	{"from an IPv4-mapped address", OUTCOME(pass_unusual), mapped_source, IPV6},
	{"to another address", OUTCOME(pass_not_ours), foreign_destination, BOTH},
	{"to another prefix", OUTCOME(pass_not_ours), foreign_prefix, BOTH},
	{"to a multicast address", OUTCOME(pass_not_ours), multicast_destination, BOTH},
	{"to an IPv4 endpoint mapped into IPv6", OUTCOME(pass_not_ours), mapped_destination, IPV6},
	{"to another port", OUTCOME(pass_not_ours), foreign_port, BOTH},
	{"from port zero", OUTCOME(pass_unusual), source_port_zero, BOTH},
	{"a datagram longer than its packet", OUTCOME(pass_unusual), udp_longer_than_ip, BOTH},
	{"a UDP length of zero", OUTCOME(pass_unusual), udp_length_zero, BOTH},
	{"a UDP length of seven", OUTCOME(pass_unusual), udp_length_seven, BOTH},
	{"no message", OUTCOME(drop_short), no_message, BOTH},
	{"a message of three bytes", OUTCOME(drop_short), three_bytes, BOTH},
	{"a token that ends behind the message", OUTCOME(reset_token), token_cut, BOTH},
	{"CoAP version 0", OUTCOME(drop_version), version_zero, BOTH},
	{"CoAP version 2", OUTCOME(drop_version), version_two, BOTH},
	{"a token of nine bytes", OUTCOME(pass_token), token_of_nine, BOTH},
	{"a token length of fifteen", OUTCOME(reset_token), token_of_fifteen, BOTH},
	{"an ACK with a request code", OUTCOME(pass_message), acknowledgement, BOTH},
	{"a RST with a request code", OUTCOME(pass_message), reset, BOTH},
	{"a response", OUTCOME(pass_message), response, BOTH},
	{"an error response", OUTCOME(pass_message), error_response, BOTH},
	{"a code of a reserved class", OUTCOME(reset_code), reserved_class, BOTH},
	{"a signalling code", OUTCOME(reset_code), signalling, BOTH},
	{"an Empty CON with a token", OUTCOME(reset_empty), empty_with_token, BOTH},
	{"an Empty CON with bytes behind", OUTCOME(reset_empty), empty_with_rest, BOTH},
	{"an Empty NON", OUTCOME(drop_empty), empty_non, BOTH},
	{"an Empty ACK", OUTCOME(pass_message), empty_ack, BOTH},
	{"a RST", OUTCOME(pass_message), empty_reset, BOTH},
	{"a POST", OUTCOME(pass_method), post, BOTH},
	{"a FETCH that is not published", OUTCOME(pass_unknown), fetch, BOTH},
	{"a method without a name", OUTCOME(pass_method), unknown_method, BOTH},
	{"a request of 65 bytes", OUTCOME(pass_long), too_long, BOTH},
	{"a request with another byte", OUTCOME(pass_unknown), other_byte, BOTH},
	{"a request with a byte more", OUTCOME(pass_unknown), one_byte_more, BOTH},
	{"a request with a byte less", OUTCOME(pass_unknown), one_byte_less, BOTH},
};

#endif
