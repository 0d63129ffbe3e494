/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the kernel half has to do with a frame, in plain C: written from the RFCs and from what
 * <coax/maps.h> says of the maps, without a line of the program. Slow, and one subject after the
 * other: model_run() goes the packet's way, each step is a function that says how the packet ends,
 * or MODEL_GO_ON.
 *
 * The model looks at the same config, link state, slots and records of exchanges as the program;
 * endpoints, prefixes, sessions and index entries are told to it. It has the digest and the cookie
 * in common with the program, which are a part of what the maps are.
 */
#ifndef COAX_TEST_MODEL_H
#define COAX_TEST_MODEL_H

#include <coax/digest.h>
#include "fixture.h"
#include "hello.h"

#define MODEL_ENDPOINTS	   8
#define MODEL_PREFIXES	   8
#define MODEL_SESSIONS	   8
#define MODEL_INDEX	   KERNEL_INDEX
#define MODEL_OUTCOME(end) offsetof(struct coax_stats, end)
#define MODEL_GO_ON	   MODEL_OUTCOME(packets)
/* RSTs leave for messages of up to so many bytes. */
#define MODEL_REJECTED_MAX 68
/* The interface that frames of BPF_PROG_TEST_RUN come by: loopback. */
#define MODEL_INTERFACE 1
#define MODEL_SECOND	1000000000ULL

struct model {
	const struct kernel *kernel;
	const struct coax_exchange_record *records;
	const struct coax_secret *secret;
	uint64_t now; /* CLOCK_MONOTONIC_COARSE */
	struct {
		struct coax_endpoint_key key;
		uint32_t service;
	} endpoints[MODEL_ENDPOINTS];
	size_t endpoint_count;
	struct {
		struct coax_prefix_key key;
		enum coax_prefix_verdict verdict;
	} prefixes[MODEL_PREFIXES];
	size_t prefix_count;
	struct coax_session_key sessions[MODEL_SESSIONS];
	size_t session_count;
	struct {
		struct coax_index_key key;
		uint32_t slot;
	} index[MODEL_INDEX];
	size_t index_count;
};

/* A frame on its way, and what is known of it so far. */
struct model_packet {
	const struct model *model;
	struct frame frame; /* with its offsets */
	struct frame_flow flow;
	size_t fragment_or_options;
	uint32_t service;
	const uint8_t *message;
	size_t message_length;
	const uint8_t *rest; /* behind the token */
	size_t rest_length;
	/* What is to be sent, one of these: */
	const struct coax_slot *answer;
	const struct coax_exchange_record *repeat;
	size_t reset; /* how it ends with RST */
	uint8_t cookie[COAX_COOKIE_LENGTH];
	bool verify; /* with that cookie */
};

struct model_verdict {
	size_t outcome;
	struct frame reply; /* when its action is XDP_TX */
};

typedef size_t (*model_step)(struct model_packet *packet);

/* Maps: */

static inline void model_add_endpoint(struct model *model, const struct coax_endpoint_key *key,
				      uint32_t service)
{
	model->endpoints[model->endpoint_count].key = *key;
	model->endpoints[model->endpoint_count++].service = service;
}

static inline void model_add_prefix(struct model *model, const struct coax_prefix_key *key,
				    enum coax_prefix_verdict verdict)
{
	model->prefixes[model->prefix_count].key = *key;
	model->prefixes[model->prefix_count++].verdict = verdict;
}

static inline void model_add_session(struct model *model, const struct coax_session_key *key)
{
	model->sessions[model->session_count++] = *key;
}

static inline size_t model_find(const struct model *model, const struct coax_index_key *key)
{
	size_t at = 0;

	while (at < model->index_count && memcmp(&model->index[at].key, key, sizeof(*key)) != 0)
		at++;
	return at;
}

static inline void model_index(struct model *model, const struct coax_index_key *key, uint32_t slot)
{
	size_t at = model_find(model, key);

	if (at == model->index_count)
		model->index[model->index_count++].key = *key;
	model->index[at].slot = slot;
}

static inline void model_unindex(struct model *model, const struct coax_index_key *key)
{
	size_t at = model_find(model, key);

	if (at < model->index_count)
		model->index[at] = model->index[--model->index_count];
}

/* Steps: */

static inline size_t model_switch(struct model_packet *packet)
{
	const volatile struct coax_config *config = packet->model->kernel->config;

	/* The fixture's program belongs to the first owner. */
	return config->enabled && config->owner == 0 ? MODEL_GO_ON : MODEL_OUTCOME(pass_disabled);
}

static inline bool model_all_zero(const uint8_t *bytes, size_t length)
{
	for (size_t i = 0; i < length; i++)
		if (bytes[i])
			return false;
	return true;
}

/* To our MAC address, with at most two VLAN tags. */
static inline size_t model_ethernet(struct model_packet *packet)
{
	const uint8_t *mac = packet->model->kernel->link->mac;
	const uint8_t *bytes = packet->frame.bytes;
	size_t at = 12;

	if (packet->frame.length < 14)
		return MODEL_OUTCOME(pass_not_ours);
	if (memcmp(bytes, mac, 6) != 0 || model_all_zero(mac, 6))
		return MODEL_OUTCOME(pass_not_ours);
	memcpy(packet->flow.destination_mac, bytes, 6);
	memcpy(packet->flow.source_mac, bytes + 6, 6);
	while (packet->flow.tags < 2) {
		uint16_t protocol = frame_get16(bytes + at);

		if (protocol != 0x8100 && protocol != 0x88a8)
			break;
		if (at + 6 > packet->frame.length)
			return MODEL_OUTCOME(pass_not_ours);
		packet->flow.tag_protocol[packet->flow.tags] = protocol;
		packet->flow.tag_control[packet->flow.tags++] = frame_get16(bytes + at + 2);
		at += 4;
	}
	packet->frame.network = at + 2;
	return MODEL_GO_ON;
}

static inline size_t model_ipv4(struct model_packet *packet)
{
	const uint8_t *ip = packet->frame.bytes + packet->frame.network;
	uint16_t fragment;

	if (packet->frame.length - packet->frame.network < 20)
		return MODEL_OUTCOME(pass_not_ours);
	fragment = frame_get16(ip + 6);
	if (ip[0] >> 4 != 4 || ip[9] != 17 || fragment & 0x1fff)
		return MODEL_OUTCOME(pass_not_ours);
	packet->fragment_or_options = (ip[0] & 0xf) != 5 || fragment & 0x2000;
	packet->frame.transport = packet->frame.network + (ip[0] & 0xfu) * 4;
	memcpy(packet->flow.source_ip, ip + 12, 4);
	memcpy(packet->flow.destination_ip, ip + 16, 4);
	return MODEL_GO_ON;
}

static inline size_t model_ipv6(struct model_packet *packet)
{
	const uint8_t *ip = packet->frame.bytes + packet->frame.network;

	if (packet->frame.length - packet->frame.network < 40)
		return MODEL_OUTCOME(pass_not_ours);
	if (ip[0] >> 4 != 6 || ip[6] != 17)
		return MODEL_OUTCOME(pass_not_ours);
	packet->frame.ipv6 = packet->flow.ipv6 = true;
	packet->frame.transport = packet->frame.network + 40;
	memcpy(packet->flow.source_ip, ip + 8, 16);
	memcpy(packet->flow.destination_ip, ip + 24, 16);
	return MODEL_GO_ON;
}

static inline size_t model_ip(struct model_packet *packet)
{
	switch (frame_get16(packet->frame.bytes + packet->frame.network - 2)) {
	case 0x0800:
		return model_ipv4(packet);
	case 0x86dd:
		return model_ipv6(packet);
	default:
		return MODEL_OUTCOME(pass_not_ours);
	}
}

static inline void model_address(uint8_t *address, const uint8_t *ip, bool ipv6)
{
	if (ipv6) {
		memcpy(address, ip, 16);
		return;
	}
	memset(address, 0, 10);
	memset(address + 10, 0xff, 2);
	memcpy(address + 12, ip, 4);
}

/* Sets *service. */
static inline bool model_is_endpoint(const struct model *model, const uint8_t *ip, bool ipv6,
				     uint16_t port, uint32_t *service)
{
	struct coax_endpoint_key key = {.port_be = htobe16(port)};

	model_address(key.address, ip, ipv6);
	for (size_t i = 0; i < model->endpoint_count; i++) {
		*service = model->endpoints[i].service;
		if (memcmp(&model->endpoints[i].key, &key, sizeof(key)) == 0)
			return true;
	}
	return false;
}

static inline size_t model_endpoint(struct model_packet *packet)
{
	const uint8_t *udp = packet->frame.bytes + packet->frame.transport;
	const struct frame_flow *flow = &packet->flow;

	if (packet->frame.transport + 8 > packet->frame.length)
		return MODEL_OUTCOME(pass_not_ours);
	packet->flow.source_port = frame_get16(udp);
	packet->flow.destination_port = frame_get16(udp + 2);
	/* No IPv4 address in the guise of an IPv6 one. */
	if (flow->ipv6 && model_all_zero(flow->destination_ip, 8))
		return MODEL_OUTCOME(pass_not_ours);
	return model_is_endpoint(packet->model, flow->destination_ip, flow->ipv6,
				 flow->destination_port, &packet->service)
		       ? MODEL_GO_ON
		       : MODEL_OUTCOME(pass_not_ours);
}

static inline bool model_source_usable(const struct model_packet *packet)
{
	const uint8_t *source = packet->flow.source_ip;
	size_t length = packet->flow.ipv6 ? 16 : 4;

	if ((packet->flow.source_mac[0] & 1) || !packet->flow.source_port)
		return false;
	if (memcmp(source, packet->flow.destination_ip, length) == 0)
		return false;
	if (packet->flow.ipv6)
		return source[0] != 0xff && !model_all_zero(source, 8);
	return source[0] != 0 && source[0] != 127 && source[0] < 224;
}

/* A whole and plain datagram: all lengths agree, and are within the frame. */
static inline size_t model_datagram(struct model_packet *packet)
{
	const uint8_t *ip = packet->frame.bytes + packet->frame.network;
	const uint8_t *udp = packet->frame.bytes + packet->frame.transport;
	size_t header = packet->flow.ipv6 ? 40 : 20;
	size_t length = packet->flow.ipv6 ? 40u + frame_get16(ip + 4) : frame_get16(ip + 2);

	if (packet->fragment_or_options || !model_source_usable(packet))
		return MODEL_OUTCOME(pass_unusual);
	if (!packet->flow.ipv6 && frame_sum(ip, 20, 0) != 0xffff)
		return MODEL_OUTCOME(pass_unusual);
	if (length < header + 8 || length > packet->frame.length - packet->frame.network)
		return MODEL_OUTCOME(pass_unusual);
	if (frame_get16(udp + 4) != length - header)
		return MODEL_OUTCOME(pass_unusual);
	if (packet->flow.ipv6 && !frame_get16(udp + 6))
		return MODEL_OUTCOME(pass_checksum);
	packet->frame.coap = packet->frame.transport + 8;
	packet->message = packet->frame.bytes + packet->frame.coap;
	packet->message_length = length - header - 8;
	return MODEL_GO_ON;
}

static inline size_t model_lease(struct model_packet *packet)
{
	const struct model *model = packet->model;

	return model->now < model->kernel->config->lease ? MODEL_GO_ON : MODEL_OUTCOME(pass_lease);
}

static inline bool model_is_reflector(uint16_t port)
{
	switch (port) {
#define MODEL_REFLECTOR(number, name) case number:
		COAX_REFLECTORS(MODEL_REFLECTOR)
#undef MODEL_REFLECTOR
		return true;
	default:
		return false;
	}
}

static inline bool model_is_within(const uint8_t *address, const struct coax_prefix_key *prefix)
{
	for (uint32_t i = 0; i < prefix->length; i++)
		if ((address[i / 8] ^ prefix->address[i / 8]) >> (7 - i % 8) & 1)
			return false;
	return true;
}

/* By the longest prefix. */
static inline bool model_is_denied(const struct model_packet *packet)
{
	const struct model *model = packet->model;
	enum coax_prefix_verdict verdict = COAX_PREFIX_LIMITED;
	uint32_t longest = 0;
	uint8_t address[16];

	if (!model->kernel->config->guard.listed)
		return false;
	model_address(address, packet->flow.source_ip, packet->flow.ipv6);
	for (size_t i = 0; i < model->prefix_count; i++) {
		const struct coax_prefix_key *key = &model->prefixes[i].key;

		if (key->length < longest || !model_is_within(address, key))
			continue;
		longest = key->length;
		verdict = model->prefixes[i].verdict;
	}
	return verdict == COAX_PREFIX_DENIED;
}

/* There are no limits. */
static inline size_t model_source(struct model_packet *packet)
{
	const struct frame_flow *flow = &packet->flow;
	uint32_t service;

	if (model_is_reflector(flow->source_port))
		return MODEL_OUTCOME(drop_reflector);
	if (model_is_endpoint(packet->model, flow->source_ip, flow->ipv6, flow->destination_port,
			      &service))
		return MODEL_OUTCOME(drop_own);
	return model_is_denied(packet) ? MODEL_OUTCOME(drop_denied) : MODEL_GO_ON;
}

/* A DTLS record of somebody's: of a session, or of nobody we know. */
static inline size_t model_session(const struct model_packet *packet)
{
	const struct model *model = packet->model;
	const volatile struct coax_config *config = model->kernel->config;
	struct coax_session_key key = {.port_be = htobe16(packet->flow.source_port)};

	if (!config->sessions || config->sessions_missing)
		return MODEL_OUTCOME(pass_record);
	model_address(key.address, packet->flow.source_ip, packet->flow.ipv6);
	for (size_t i = 0; i < model->session_count; i++)
		if (memcmp(&model->sessions[i], &key, sizeof(key)) == 0)
			return MODEL_OUTCOME(pass_session);
	return MODEL_OUTCOME(drop_record);
}

/* RFC 6347 sections 4.1, 4.2.2: the lengths of a ClientHello, as far as the cookie. 0: are wrong.
 */
static inline size_t model_hello_cookie(const uint8_t *hello, size_t length)
{
	size_t record = 13u + frame_get16(hello + HELLO_AT_RECORD_LENGTH);
	size_t fragment = 25 + hello_get24(hello + HELLO_AT_FRAGMENT_LENGTH);
	size_t cookie = HELLO_AT_SESSION + 1u + hello[HELLO_AT_SESSION];

	if (hello[1] != 0xfe || hello[HELLO_AT_VERSION] != 0xfe || hello[HELLO_AT_SESSION] > 32)
		return 0;
	if (record > length || fragment > record || hello_get24(hello + HELLO_AT_OFFSET) ||
	    fragment - 25 > hello_get24(hello + HELLO_AT_LENGTH))
		return 0;
	return cookie < fragment && cookie + 1 + hello[cookie] <= fragment ? cookie : 0;
}

/* What goes to a secure endpoint. */
static inline size_t model_secure(struct model_packet *packet)
{
	const struct model *model = packet->model;
	uint8_t now = coax_cookie_period(model->now);
	const uint8_t *bytes = packet->message;
	uint8_t wanted[COAX_COOKIE_LENGTH];
	size_t cookie;

	if (!(packet->service & COAX_SERVICE_SECURE))
		return MODEL_GO_ON;
	/* Not even the shortest handshake message of that type. */
	if (packet->message_length < HELLO_MIN - 1 || bytes[0] != 22 || bytes[13] != 1 ||
	    frame_get16(bytes + HELLO_AT_EPOCH))
		return model_session(packet);
	cookie = model_hello_cookie(bytes, packet->message_length);
	if (!cookie)
		return model_session(packet) == MODEL_OUTCOME(pass_session)
			       ? MODEL_OUTCOME(pass_session)
			       : MODEL_OUTCOME(pass_hello);
	for (int age = -1; age <= 1; age++) {
		hello_cookie(wanted, &model->secret->cookie, &packet->flow, bytes,
			     (uint8_t)(now - age));
		if (bytes[cookie] == sizeof(wanted) &&
		    memcmp(bytes + cookie + 1, wanted, sizeof(wanted)) == 0)
			return MODEL_OUTCOME(pass_cookie);
	}
	hello_cookie(packet->cookie, &model->secret->cookie, &packet->flow, bytes, now);
	packet->verify = true;
	return MODEL_GO_ON;
}

/* RFC 7252 sections 4.2, 4.3: RST to a CON, else silence. The reset takes the place of the reply.
 */
static inline size_t model_reject(struct model_packet *packet, size_t reset, size_t dropped)
{
	if ((packet->message[0] >> 4 & 3) != COAX_TYPE_CON)
		return dropped;
	if (packet->message_length > MODEL_REJECTED_MAX)
		return MODEL_OUTCOME(pass_malformed);
	packet->reset = reset;
	return MODEL_GO_ON;
}

/* RFC 7252 section 3, RFC 8974 section 2.1. An Empty message is a header and nothing else. */
static inline size_t model_header(struct model_packet *packet)
{
	uint8_t field;

	if (packet->message_length < 4)
		return MODEL_OUTCOME(drop_short);
	if (packet->message[0] >> 6 != 1)
		return MODEL_OUTCOME(drop_version);
	field = packet->message[0] & 0xf;
	if (packet->message[1] == COAX_EMPTY)
		return field || packet->message_length > 4
			       ? model_reject(packet, MODEL_OUTCOME(reset_empty),
					      MODEL_OUTCOME(drop_empty))
			       : MODEL_GO_ON;
	if (field == 13 || field == 14)
		return MODEL_OUTCOME(pass_token);
	if (field == 15 || 4u + field > packet->message_length)
		return model_reject(packet, MODEL_OUTCOME(reset_token), MODEL_OUTCOME(drop_token));
	if (field > 8)
		return MODEL_OUTCOME(pass_token);
	packet->rest = packet->message + 4 + field;
	packet->rest_length = packet->message_length - 4 - field;
	return MODEL_GO_ON;
}

static inline size_t model_code(struct model_packet *packet)
{
	uint8_t type = packet->message[0] >> 4 & 3;
	uint8_t class = packet->message[1] >> 5;

	if (packet->reset)
		return MODEL_GO_ON;
	if (class == 1 || class == 6 || class == 7)
		return model_reject(packet, MODEL_OUTCOME(reset_code), MODEL_OUTCOME(drop_code));
	if (type == COAX_TYPE_ACK || type == COAX_TYPE_RST || class != 0)
		return MODEL_OUTCOME(pass_message);
	if (packet->message[1] == COAX_EMPTY)
		return model_reject(packet, MODEL_OUTCOME(pong), MODEL_OUTCOME(drop_empty));
	if (packet->message[1] != COAX_GET && packet->message[1] != COAX_FETCH)
		return MODEL_OUTCOME(pass_method);
	return MODEL_GO_ON;
}

/* What a server sends may be a client's, and what it makes of an answer is its own affair. */
static inline size_t model_server(struct model_packet *packet)
{
	uint16_t port = packet->flow.source_port;

	if (packet->repeat || (!packet->reset && packet->rest_length > COAX_KEY_MAX))
		return MODEL_GO_ON;
	return port == 5683 || port == 5684 ? MODEL_OUTCOME(pass_server_port) : MODEL_GO_ON;
}

static inline size_t model_lookup(struct model_packet *packet)
{
	const struct model *model = packet->model;
	struct coax_index_key key = {.service = packet->service, .code = packet->message[1]};
	const struct coax_slot *slot;
	size_t at;

	if (packet->reset || packet->repeat)
		return MODEL_GO_ON;
	if (packet->rest_length > COAX_KEY_MAX)
		return MODEL_OUTCOME(pass_long);
	key.length = (uint16_t)packet->rest_length;
	memcpy(key.request, packet->rest, packet->rest_length);
	at = model_find(model, &key);
	if (at == model->index_count)
		return MODEL_OUTCOME(pass_unknown);
	if (model->index[at].slot >= KERNEL_SLOTS)
		return MODEL_OUTCOME(pass_withdrawn);
	slot = &model->kernel->slots[model->index[at].slot];
	if (slot->sequence % 2 || model->now >= slot->deadline ||
	    slot->reply_length > COAX_REPLY_MAX)
		return MODEL_OUTCOME(pass_withdrawn);
	if (slot->service != key.service || slot->key_code != key.code ||
	    slot->key_length != key.length || memcmp(slot->key, key.request, COAX_KEY_MAX) != 0)
		return MODEL_OUTCOME(pass_withdrawn);
	packet->answer = slot;
	return MODEL_GO_ON;
}

/* Duplicates (RFC 7252 section 4.5): */

/* fe80::/10 */
static inline bool model_is_link_local(const struct frame_flow *flow)
{
	return flow->ipv6 && flow->source_ip[0] == 0xfe && flow->source_ip[1] >> 6 == 2;
}

static inline struct coax_exchange_name model_name(const struct frame_flow *flow,
						   const uint8_t *message)
{
	struct coax_exchange_name name = {
		.peer_port = flow->source_port,
		.local_port = flow->destination_port,
		.message_id = frame_get16(message + 2),
	};

	model_address(name.peer, flow->source_ip, flow->ipv6);
	model_address(name.local, flow->destination_ip, flow->ipv6);
	if (model_is_link_local(flow))
		name.zone = MODEL_INTERFACE;
	return name;
}

/* The first of `count` records that it may be in. */
static inline uint64_t model_record(const struct model *model,
				    const struct coax_exchange_name *name, uint32_t count)
{
	uint64_t number = coax_digest(&model->secret->digest, name, sizeof(*name)) % count;

	return number - number % COAX_EXCHANGE_WAYS;
}

static inline const struct coax_exchange_record *
model_find_record(const struct model_packet *packet)
{
	const struct model *model = packet->model;
	struct coax_exchange_name name = model_name(&packet->flow, packet->message);
	uint32_t count = model->kernel->config->exchanges;
	const struct coax_exchange_record *record;

	/* Which link a tag stands for is not known. */
	if (!count || (model_is_link_local(&packet->flow) && packet->flow.tags))
		return NULL;
	record = &model->records[model_record(model, &name, count)];
	for (int way = 0; way < COAX_EXCHANGE_WAYS; way++, record++)
		if (record->sequence % 2 == 0 && record->verdict != COAX_EXCHANGE_NONE &&
		    model->now < record->expires && memcmp(&record->name, &name, sizeof(name)) == 0)
			return record;
	return NULL;
}

static inline bool model_may_have_come_before(size_t outcome)
{
	return outcome == MODEL_OUTCOME(pass_method) || outcome == MODEL_OUTCOME(pass_long) ||
	       outcome == MODEL_OUTCOME(pass_unknown) || outcome == MODEL_OUTCOME(pass_withdrawn);
}

/* What becomes of a request that there is no reply for, and that otherwise ends as `outcome`. */
static inline size_t model_duplicate(struct model_packet *packet, size_t outcome)
{
	const struct coax_exchange_record *record;

	if (!model_may_have_come_before(outcome) || packet->message_length > COAX_REPEATED_MAX)
		return outcome;
	record = model_find_record(packet);
	if (!record || record->reply_length > COAX_REPEAT_MAX ||
	    record->digest != coax_digest(&packet->model->secret->digest, packet->message,
					  (uint32_t)packet->message_length))
		return outcome;
	if (!record->reply_length)
		return MODEL_OUTCOME(drop_duplicate);
	packet->repeat = record;
	return MODEL_GO_ON;
}

/* RFC 7252 section 5.7.1: the seconds that are left, in what `slot` has set apart for it. */
static inline void model_write_max_age(const struct model_packet *packet, uint8_t *reply)
{
	const struct coax_slot *slot = packet->answer;
	uint64_t left = (slot->deadline - packet->model->now) / MODEL_SECOND;

	for (int i = slot->max_age_length; i-- > 0; left >>= 8)
		reply[slot->max_age_at + i] = (uint8_t)left;
}

static inline bool model_can_age(const struct coax_slot *slot)
{
	return slot->max_age_length <= 4 &&
	       slot->max_age_at + slot->max_age_length <= slot->reply_length;
}

/*
 * The reply's message: header and token of the request; or what was said before; or RST. Returns
 * its length.
 */
static inline size_t model_message(const struct model_packet *packet, uint8_t *bytes)
{
	const uint8_t *request = packet->message;
	uint16_t id = frame_get16(request + 2);
	uint8_t type = request[0] >> 4 & 3;
	uint8_t token_length = request[0] & 0xf;
	size_t length;

	if (packet->reset)
		return frame_message(bytes, COAX_TYPE_RST, COAX_EMPTY, id, NULL, 0, NULL, 0);
	if (packet->repeat) {
		memcpy(bytes, packet->repeat->reply, packet->repeat->reply_length);
		return packet->repeat->reply_length;
	}
	length = frame_message(bytes, type == COAX_TYPE_CON ? COAX_TYPE_ACK : COAX_TYPE_NON,
			       packet->answer->reply_code, id, request + 4, token_length,
			       packet->answer->reply, packet->answer->reply_length);
	if (model_can_age(packet->answer))
		model_write_max_age(packet, bytes + 4 + token_length);
	return length;
}

/*
 * A request damaged on its way, which its checksum says, gets a reply that is damaged as much.
 * What has no checksum, or only the pseudo header's (it is left to a card), says nothing.
 */
static inline void model_damage(const struct model_packet *packet, struct frame *reply)
{
	const uint8_t *udp = packet->frame.bytes + packet->frame.transport;
	uint16_t check = frame_get16(udp + 6), sum;
	uint8_t both[4];

	if (!check || check == frame_pseudo_sum(&packet->frame))
		return;
	sum = frame_sum(udp, frame_get16(udp + 4), frame_pseudo_sum(&packet->frame));
	frame_put16(both, sum);
	memcpy(both + 2, reply->bytes + reply->transport + 6, 2);
	frame_put16(reply->bytes + reply->transport + 6, frame_sum(both, 4, 0));
}

static inline bool model_fits(const struct model_packet *packet, const struct frame *reply)
{
	return reply->length - reply->network <= packet->model->kernel->link->mtu;
}

static inline size_t model_reply(const struct model_packet *packet, struct frame *reply)
{
	struct frame_flow back = frame_flow_back(&packet->flow);
	uint8_t bytes[4 + COAX_TOKEN_MAX + COAX_REPLY_MAX];
	size_t length = model_message(packet, bytes);

	frame_build(reply, &back, bytes, length);
	/* What has come before is known by all of its bytes. */
	if (!packet->repeat)
		model_damage(packet, reply);
	if (!model_fits(packet, reply))
		return MODEL_OUTCOME(pass_no_room);
	if (packet->reset)
		return packet->reset;
	if (packet->repeat)
		return MODEL_OUTCOME(repeat);
	return model_can_age(packet->answer) ? MODEL_OUTCOME(reply) : MODEL_OUTCOME(drop_raced);
}

static inline size_t model_verify(const struct model_packet *packet, struct frame *reply)
{
	struct frame_flow back = frame_flow_back(&packet->flow);
	uint8_t bytes[HELLO_VERIFY_MAX];

	frame_build(reply, &back, bytes, hello_verify(bytes, packet->message, packet->cookie));
	return model_fits(packet, reply) ? MODEL_OUTCOME(hello) : MODEL_OUTCOME(pass_no_room);
}

static inline void model_run(const struct model *model, const struct frame *frame,
			     struct model_verdict *verdict)
{
	static const model_step steps[] = {
		model_switch,	model_ethernet, model_ip,     model_endpoint,
		model_datagram, model_lease,	model_source, model_secure,
		model_header,	model_code,	model_server, model_lookup,
	};
	struct model_packet packet = {.model = model};

	memcpy(packet.frame.bytes, frame->bytes, frame->length);
	packet.frame.length = frame->length;
	for (size_t i = 0; i < sizeof(steps) / sizeof(*steps); i++) {
		verdict->outcome = model_duplicate(&packet, steps[i](&packet));
		if (verdict->outcome != MODEL_GO_ON)
			return;
		if (packet.verify) {
			verdict->outcome = model_verify(&packet, &verdict->reply);
			return;
		}
	}
	verdict->outcome = model_reply(&packet, &verdict->reply);
}

#endif
