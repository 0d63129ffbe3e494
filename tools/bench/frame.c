// SPDX-License-Identifier: BSD-2-Clause
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <netinet/udp.h>
#include <string.h>
#include "frame.h"

/* Longest header before the datagram: Ethernet and IPv6. */
#define HEADERS_MAX (sizeof(struct ether_header) + sizeof(struct ip6_hdr))

static uint32_t sum_bytes(uint32_t sum, const void *data, size_t length)
{
	const uint8_t *bytes = data;

	for (; length > 1; length -= 2, bytes += 2) {
		uint16_t word;

		memcpy(&word, bytes, sizeof(word));
		sum += word;
	}
	if (length) {
		uint16_t word = 0;

		memcpy(&word, bytes, 1);
		sum += word;
	}
	return sum;
}

static uint16_t fold(uint32_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)sum;
}

/* RFC 768, RFC 8200 section 8.1; the addresses lie next to each other in both headers. */
static uint16_t sum_pseudo_header(const uint8_t *addresses, size_t addresses_length, size_t length)
{
	uint32_t sum = htons(IPPROTO_UDP) + (uint32_t)htons((uint16_t)length);

	return fold(sum_bytes(sum, addresses, addresses_length));
}

static uint16_t sum_datagram(const uint8_t *addresses, size_t addresses_length, const uint8_t *udp,
			     size_t length)
{
	return fold(sum_bytes(sum_pseudo_header(addresses, addresses_length, length), udp, length));
}

static void fill_ip4(struct iphdr *ip, const union coax_address *source,
		     const union coax_address *destination, size_t datagram_length)
{
	*ip = (struct iphdr){
		.version = 4,
		.ihl = 5,
		.tot_len = htons((uint16_t)(sizeof(*ip) + datagram_length)),
		.frag_off = htons(IP_DF),
		.ttl = 64,
		.protocol = IPPROTO_UDP,
		.saddr = source->in.sin_addr.s_addr,
		.daddr = destination->in.sin_addr.s_addr,
	};
	ip->check = (uint16_t)~fold(sum_bytes(0, ip, sizeof(*ip)));
}

static void fill_ip6(struct ip6_hdr *ip, const union coax_address *source,
		     const union coax_address *destination, size_t datagram_length)
{
	*ip = (struct ip6_hdr){
		.ip6_flow = htonl(6u << 28),
		.ip6_plen = htons((uint16_t)datagram_length),
		.ip6_nxt = IPPROTO_UDP,
		.ip6_hlim = 64,
		.ip6_src = source->in6.sin6_addr,
		.ip6_dst = destination->in6.sin6_addr,
	};
}

int bench_frame_build(struct bench_frame *frame, const struct ether_addr *source_mac,
		      const struct ether_addr *destination_mac, const union coax_address *source,
		      const union coax_address *destination, const struct coax_message *request)
{
	size_t datagram_length = sizeof(struct udphdr) + request->length;
	bool ip6 = source->sa.sa_family == AF_INET6;
	struct udphdr udp = {
		.uh_dport = htons(coax_address_port(destination)),
		.uh_ulen = htons((uint16_t)datagram_length),
	};
	struct ether_header eth = {.ether_type = htons(ip6 ? ETHERTYPE_IPV6 : ETHERTYPE_IP)};
	uint8_t *at = frame->bytes;

	if (source->sa.sa_family != destination->sa.sa_family)
		return -EAFNOSUPPORT;
	if (HEADERS_MAX + datagram_length > sizeof(frame->bytes))
		return -EMSGSIZE;

	memcpy(eth.ether_shost, source_mac, ETH_ALEN);
	memcpy(eth.ether_dhost, destination_mac, ETH_ALEN);
	memcpy(at, &eth, sizeof(eth));
	at += sizeof(eth);
	if (ip6) {
		struct ip6_hdr ip;

		fill_ip6(&ip, source, destination, datagram_length);
		memcpy(at, &ip, sizeof(ip));
		at += sizeof(ip);
	} else {
		struct iphdr ip;

		fill_ip4(&ip, source, destination, datagram_length);
		memcpy(at, &ip, sizeof(ip));
		at += sizeof(ip);
	}
	frame->udp_offset = (size_t)(at - frame->bytes);
	memcpy(at, &udp, sizeof(udp));
	at += sizeof(udp);
	frame->request = *request;
	frame->request.data = at;
	memcpy(at, request->data, request->length);
	frame->length = (size_t)(at - frame->bytes) + request->length;
	frame->server_port = coax_address_port(destination);
	at = frame->bytes + frame->udp_offset;
	frame->checksum_base = ip6 ? sum_datagram(at - 32, 32, at, datagram_length)
				   : sum_datagram(at - 8, 8, at, datagram_length);
	return 0;
}

/* Whether the UDP datagram at `offset` with its IP header is right. NULL or what is wrong. */
static const char *check_headers(const struct bench_frame *sent, const uint8_t *reply,
				 size_t length, size_t *datagram_length)
{
	bool ip6 = sent->udp_offset == HEADERS_MAX;
	size_t address_length = ip6 ? 16 : 4;
	const uint8_t *at = reply + sent->udp_offset;
	const uint8_t *addresses = at - 2 * address_length;
	const uint8_t *sent_addresses = sent->bytes + sent->udp_offset - 2 * address_length;
	struct udphdr udp;

	if (length < sent->udp_offset + sizeof(udp) + COAX_HEADER_SIZE)
		return "it is too short";
	memcpy(&udp, at, sizeof(udp));
	*datagram_length = ntohs(udp.uh_ulen);
	if (*datagram_length < sizeof(udp) + COAX_HEADER_SIZE ||
	    *datagram_length > length - sent->udp_offset)
		return "its UDP length does not fit the frame";
	if (memcmp(addresses, sent_addresses + address_length, address_length) != 0 ||
	    memcmp(addresses + address_length, sent_addresses, address_length) != 0)
		return "its IP addresses are not the request's, swapped";
	if (memcmp(reply, sent->bytes + ETH_ALEN, ETH_ALEN) != 0 ||
	    memcmp(reply + ETH_ALEN, sent->bytes, ETH_ALEN) != 0)
		return "its MAC addresses are not the request's, swapped";
	if (ip6) {
		struct ip6_hdr ip;

		memcpy(&ip, at - sizeof(ip), sizeof(ip));
		if (ntohs(ip.ip6_plen) != *datagram_length)
			return "its IP and UDP lengths differ";
	} else {
		struct iphdr ip;

		memcpy(&ip, at - sizeof(ip), sizeof(ip));
		if (ntohs(ip.tot_len) != sizeof(ip) + *datagram_length)
			return "its IP and UDP lengths differ";
		if (fold(sum_bytes(0, &ip, sizeof(ip))) != 0xffff)
			return "its IP checksum is wrong";
	}
	if (udp.uh_sum == sum_pseudo_header(addresses, 2 * address_length, *datagram_length))
		return "its UDP checksum is only begun: a socket sent it, not the kernel half";
	if (!udp.uh_sum ||
	    sum_datagram(addresses, 2 * address_length, at, *datagram_length) != 0xffff)
		return "its UDP checksum is wrong";
	return NULL;
}

const char *bench_frame_check(const struct bench_frame *sent, const uint8_t *reply, size_t length,
			      bool reflected)
{
	size_t token_length = coax_message_token_length(&sent->request);
	enum coax_type type = coax_message_type(&sent->request);
	size_t datagram_length;
	struct coax_message m;
	struct udphdr udp;
	const char *wrong;
	uint64_t token;

	wrong = check_headers(sent, reply, length, &datagram_length);
	if (wrong)
		return wrong;
	memcpy(&udp, reply + sent->udp_offset, sizeof(udp));
	if (coax_message_parse(&m, reply + sent->udp_offset + sizeof(udp),
			       datagram_length - sizeof(udp)) < 0)
		return "it is no well-formed CoAP message";
	if (!reflected && type == COAX_TYPE_CON)
		type = COAX_TYPE_ACK;
	if (coax_message_type(&m) != type)
		return "its type does not answer the request's";
	if (coax_message_token_length(&m) != token_length)
		return "its token is of another length";
	token = bench_token(ntohs(udp.uh_dport), coax_message_id(&m));
	for (size_t i = 0; i < token_length; i++)
		if (coax_message_token(&m)[i] != (uint8_t)(token >> 8 * i))
			return "its token is that of another request";
	return NULL;
}
