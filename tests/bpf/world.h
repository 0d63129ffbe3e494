/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the program and its model find in their maps: endpoints, prefixes, replies, records of what
 * came before. By chance, and now and then as it seldom is; always within what <coax/maps.h>
 * demands.
 */
#ifndef COAX_TEST_WORLD_H
#define COAX_TEST_WORLD_H

#include <time.h>
#include <coax/gcra.h>
#include "../chance.h"
#include "model.h"

#define PAIRS	    80 /* more than slots */
#define ASKED	    16 /* requests that have been asked: more than there are records */
#define FLOWS	    7  /* to endpoints of two services, and of a secure one; the last one to none */
#define PEERS	    8  /* with a session */
#define MESSAGE_MAX 1600

/* The program's clock. */
static uint64_t now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &time);
	return (uint64_t)time.tv_sec * MODEL_SECOND + (uint64_t)time.tv_nsec;
}

struct asked {
	struct frame_flow flow;
	uint8_t message[MESSAGE_MAX];
	size_t length;
};

static struct kernel kernel;
static struct model model;
static struct coax_nearby *nearby;
static struct coax_exchange_record *records;
static struct coax_secret secret;
static struct coax_index_key pairs[PAIRS];
static struct frame_flow flows[FLOWS];
static struct frame_flow peers[PEERS];
static struct asked asked[ASKED];
/* Far from the others, so that no frame to them gets here by a bit or byte. */
static const uint8_t own[2][16] = {{192, 77, 88, 99}, {0x20, 1, 0xd, 0xb8, 7, 7, [15] = 99}};

static size_t random_bytes(uint8_t *bytes, size_t length)
{
	for (size_t i = 0; i < length; i++)
		bytes[i] = (uint8_t)pick(256);
	return length;
}

/* Endpoints: */

static uint32_t service_of(size_t flow)
{
	return flow < 4 ? KERNEL_SERVICE + (flow >= 2) : KERNEL_SERVICE | COAX_SERVICE_SECURE;
}

static size_t flow_to(uint32_t service)
{
	return 2 * (service - KERNEL_SERVICE) + pick(2);
}

static struct coax_nearby *bucket_of_flow(const struct frame_flow *flow)
{
	struct coax_endpoint_key key = kernel_endpoint_key(flow);
	uint32_t words[sizeof(key) / 4];

	memcpy(words, &key, sizeof(words));
	return &nearby[coax_nearby_bucket(words)];
}

static struct coax_nearby *bucket_of(size_t flow)
{
	return bucket_of_flow(&flows[flow]);
}

/* In either place of its bucket, or not there but only in the hash. */
static void place_nearby(size_t flow, bool is_nearby)
{
	struct coax_nearby *bucket = bucket_of(flow);
	uint32_t way = pick(COAX_NEARBY_WAYS);

	memset(bucket, 0, sizeof(*bucket));
	bucket->complete = is_nearby;
	if (!is_nearby)
		return;
	bucket->key[way] = kernel_endpoint_key(&flows[flow]);
	bucket->service[way] = service_of(flow);
}

static void add_endpoint(size_t flow)
{
	struct coax_endpoint_key key = kernel_endpoint_key(&flows[flow]);

	kernel_add_service(&kernel, &flows[flow], service_of(flow));
	model_add_endpoint(&model, &key, service_of(flow));
	for (size_t other = 0; other < flow; other++)
		ASSERT_NE(bucket_of(other), bucket_of(flow));
	place_nearby(flow, flow < 3 || flow == 4);
}

static void create_flows(void)
{
	static const uint16_t ports[FLOWS] = {COAX_PORT,	COAX_PORT,	  5685, 5685,
					      COAX_PORT_SECURE, COAX_PORT_SECURE, 5686};

	for (size_t i = 0; i < FLOWS; i++) {
		flows[i] = kernel_flow(i % 2);
		flows[i].destination_port = ports[i];
		if (i < FLOWS - 1)
			add_endpoint(i);
	}
}

static void create_sessions(void)
{
	for (size_t i = 0; i < PEERS; i++) {
		struct coax_session_value value = {.sessions = 1, .text = "test"};
		struct coax_session_key key = {0};

		peers[i] = flows[4 + i % 2];
		peers[i].source_port = (uint16_t)(20000 + pick(40000));
		peers[i].source_ip[3] ^= (uint8_t)i;
		key.port_be = htobe16(peers[i].source_port);
		model_address(key.address, peers[i].source_ip, peers[i].ipv6);
		ASSERT_EQ(
			bpf_map_update_elem(kernel_map(&kernel, "sessions"), &key, &value, BPF_ANY),
			0);
		model_add_session(&model, &key);
	}
}

/* An endpoint that nobody asks, but packets may say that they are from. */
static void add_own(bool ipv6)
{
	struct frame_flow flow = kernel_flow(ipv6);
	struct coax_endpoint_value value = {.service = KERNEL_SERVICE, .text = "test"};
	volatile __u64 *bits = kernel.config->guard.own;
	struct coax_endpoint_key key;
	uint32_t last, bit;

	memcpy(flow.destination_ip, own[ipv6], sizeof(flow.destination_ip));
	key = kernel_endpoint_key(&flow);
	memcpy(&last, key.address + 12, sizeof(last));
	bit = coax_own_bit(last);
	ASSERT_EQ(bpf_map_update_elem(kernel_map(&kernel, "endpoints"), &key, &value, BPF_ANY), 0);
	model_add_endpoint(&model, &key, value.service);
	bucket_of_flow(&flow)->complete = 0;
	bits[bit / 64] |= 1ULL << bit % 64;
}

static void create_prefixes(void)
{
	static const struct {
		struct coax_prefix_key key;
		enum coax_prefix_verdict verdict;
	} all[] = {
		{{96 + 11, {[10] = 0xff, 0xff, 192, 160}}, COAX_PREFIX_DENIED},
		{{96 + 13, {[10] = 0xff, 0xff, 192, 168}}, COAX_PREFIX_ALLOWED},
		{{96 + 14, {[10] = 0xff, 0xff, 192, 172}}, COAX_PREFIX_LIMITED},
		{{11, {0x20, 0x80}}, COAX_PREFIX_DENIED},
		{{14, {0x20, 0x84}}, COAX_PREFIX_ALLOWED},
	};

	for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++) {
		struct coax_prefix_value value = {.verdict = all[i].verdict, .text = "test"};

		ASSERT_EQ(bpf_map_update_elem(kernel_map(&kernel, "prefixes"), &all[i].key, &value,
					      BPF_ANY),
			  0);
		model_add_prefix(&model, &all[i].key, all[i].verdict);
	}
}

/* What does not matter to what a request says, but to its frame. */
static void wrap(struct frame_flow *flow)
{
	flow->tags = pick(4) ? 0 : pick(3);
	flow->tag_protocol[pick(2)] = pick(2) ? 0x88a8 : 0x8100;
	flow->checksum = pick(flow->ipv6 && pick(8) ? 2 : 3);
	flow->padding = pick(2) ? pick(64) : 0;
	flow->dont_fragment = pick(2);
}

/* Replies: */

/* Keys of all lengths; some are beginnings of others, and some end in zeros. */
static void create_pairs(void)
{
	for (size_t i = 0; i < PAIRS; i++) {
		struct coax_index_key *key = &pairs[i];

		if (i % 3 == 2)
			*key = pairs[i - 1];
		key->service = KERNEL_SERVICE + pick(2);
		key->code = pick(4) ? COAX_GET : COAX_FETCH;
		key->length = (uint16_t)pick(COAX_KEY_MAX + 1);
		for (size_t at = 0; at < COAX_KEY_MAX; at++) {
			if (at >= key->length)
				key->request[at] = 0;
			else if (i % 3 != 2 && pick(4))
				key->request[at] = (uint8_t)pick(256);
		}
	}
}

/* A request for which there may be a reply. */
static size_t make_request(uint8_t *bytes, const struct coax_index_key *key)
{
	uint8_t token[COAX_TOKEN_MAX];

	random_bytes(token, sizeof(token));
	return frame_message(bytes, (uint8_t)pick(2), key->code, (uint16_t)pick(65536), token,
			     pick(COAX_TOKEN_MAX + 1), key->request, key->length);
}

/*
 * No two live slots have the same key, and a live one is in the index: so <coax/maps.h> demands.
 * What the slot held before may still be in the index.
 */
static void make_way_for(const struct coax_index_key *key, uint32_t number)
{
	const struct coax_slot *slot = &kernel.slots[number];
	struct coax_index_key former = {
		.service = slot->service, .code = slot->key_code, .length = slot->key_length};
	size_t at;

	memcpy(former.request, slot->key, sizeof(former.request));
	at = model_find(&model, &former);
	if (at < model.index_count && model.index[at].slot == number && pick(2)) {
		bpf_map_delete_elem(kernel_map(&kernel, "index"), &former);
		model_unindex(&model, &former);
	}
	at = model_find(&model, key);
	if (at < model.index_count)
		kernel.slots[model.index[at].slot].deadline = 0;
}

/* A third of them age, and some do so to their end. */
static void publish(void)
{
	static const uint16_t lengths[] = {0, 1, 2, 3, 17, 66, 500, 1023, COAX_REPLY_MAX};
	const struct coax_index_key *key = &pairs[pick(PAIRS)];
	uint32_t number = pick(KERNEL_SLOTS);
	uint8_t reply[COAX_REPLY_MAX], max_age_length = (uint8_t)(pick(3) ? 0 : 1 + pick(4));
	struct coax_slot *slot;
	size_t length, at;

	random_bytes(reply, sizeof(reply));
	length = pick(2) ? pick(200) : lengths[pick(sizeof(lengths) / sizeof(*lengths))];
	if (length < max_age_length)
		max_age_length = 0;
	at = pick((uint32_t)length - max_age_length + 1);
	memset(reply + at, 0, max_age_length);
	make_way_for(key, number);
	slot = kernel_publish_key(&kernel, number, key, (uint8_t)pick(256), reply, length);
	slot->max_age_at = (uint16_t)at;
	slot->max_age_length = max_age_length;
	if (max_age_length)
		slot->deadline =
			now() + (1 + pick(pick(8) ? 70000 : 3)) * MODEL_SECOND + pick(MODEL_SECOND);
	model_index(&model, key, number);
}

/* What has come before: */

/* All from other peers, but every fourth: that is another message with the name of the one before.
 */
static void create_asked(void)
{
	for (size_t i = 0; i < ASKED; i++) {
		const struct coax_index_key *key = &pairs[pick(PAIRS)];
		struct asked *one = &asked[i];

		if (i % 4 == 3) {
			*one = asked[i - 1];
			one->message[0] ^= (COAX_TYPE_CON ^ COAX_TYPE_NON) << 4;
			continue;
		}
		one->flow = flows[flow_to(key->service)];
		one->flow.source_port = (uint16_t)(20000 + pick(40000));
		if (one->flow.ipv6 && pick(2))
			memcpy(one->flow.source_ip, (uint8_t[2]){0xfe, 0x80}, 2);
		one->length = make_request(one->message, key);
		if (i % 4 == 2)
			continue;
		one->message[1] = (uint8_t)(1 + pick(31));
		one->length += random_bytes(one->message + one->length,
					    1 + pick(pick(4) ? 100 : MESSAGE_MAX - 100));
	}
}

/* Length and sum of a reply that there may be. */
static void record_reply(struct coax_exchange_record *record)
{
	static const uint16_t lengths[] = {0, 0, 0, 4, 4, COAX_REPEAT_MAX};

	record->reply_length = pick(2) ? (uint16_t)pick(COAX_REPEAT_MAX + 1) : lengths[pick(6)];
	random_bytes(record->reply, record->reply_length);
	record->reply_sum = kernel_memory_sum(record->reply, record->reply_length);
}

/* Nearly the record of that message. */
static void misrecord(struct coax_exchange_record *record)
{
	switch (pick(6)) {
	case 0:
		record->sequence++;
		break;
	case 1:
		record->digest ^= 1ULL << pick(64);
		break;
	case 2:
		((uint8_t *)&record->name)[pick(sizeof(record->name))] ^= (uint8_t)(1 << pick(8));
		break;
	case 3:
		record->reply_length = (uint16_t)(COAX_REPEAT_MAX + 1 + pick(1000));
		break;
	case 4:
		record->verdict = COAX_EXCHANGE_NONE;
		break;
	default:
		record->expires = now() + pick(3) * MODEL_SECOND / 2;
	}
}

/* In a set of its own, or in another's. */
static void record(void)
{
	const struct asked *one = &asked[pick(ASKED)];
	struct coax_exchange_name name = model_name(&one->flow, one->message);
	uint64_t set = model_record(&model, &name, KERNEL_EXCHANGES);
	struct coax_exchange_record *record = &records[set + pick(COAX_EXCHANGE_WAYS)];

	if (!pick(16))
		record = &records[pick(KERNEL_EXCHANGES)];
	record->sequence = 2 * pick(1000);
	record->verdict = pick(2) ? COAX_EXCHANGE_HELD : COAX_EXCHANGE_ANSWERED;
	record->expires = pick(2) ? COAX_NEVER : now() + 247 * MODEL_SECOND;
	record->digest = coax_digest(&secret.digest, one->message, (uint32_t)one->length);
	record->name = name;
	record_reply(record);
	if (!pick(6))
		misrecord(record);
}

static void create_records(void)
{
	const uint32_t only = 0;

	random_bytes((uint8_t *)&secret, sizeof(secret));
	ASSERT_EQ(bpf_map_update_elem(kernel_map(&kernel, "secret"), &only, &secret, BPF_ANY), 0);
	records =
		kernel_mmap(kernel_map(&kernel, "exchanges"), KERNEL_EXCHANGES * sizeof(*records));
	model.records = records;
	model.secret = &secret;
	create_asked();
}

/* All of it: */

static void calm(void)
{
	kernel.config->enabled = 1;
	kernel.config->owner = 0;
	kernel.config->lease = COAX_NEVER;
	kernel.config->exchanges = KERNEL_EXCHANGES;
	kernel.config->guard.listed = 1;
	kernel.config->sessions = PEERS;
	kernel.config->sessions_missing = 0;
	kernel.link->mtu = KERNEL_MTU;
	memcpy(kernel.link->mac, kernel_mac, 6);
}

static void create_world(void)
{
	kernel_open(&kernel);
	model = (struct model){.kernel = &kernel};
	nearby = kernel_mmap(kernel_map(&kernel, "nearby"), COAX_NEARBY_BUCKETS * sizeof(*nearby));
	for (size_t i = 0; i < COAX_NEARBY_BUCKETS; i++)
		nearby[i].complete = 1;
	calm();
	create_flows();
	create_sessions();
	add_own(false);
	add_own(true);
	create_prefixes();
	create_pairs();
	create_records();
	for (int i = 0; i < 3 * KERNEL_SLOTS; i++)
		publish();
}

/* Whatever becomes of buckets, the endpoints are as they were. */
static void disturb_nearby(void)
{
	size_t flow = pick(FLOWS);
	struct coax_nearby *bucket = bucket_of(flow);

	switch (pick(3)) {
	case 0:
		bucket->sequence++;
		break;
	case 1:
		bucket->complete = 0;
		break;
	default:
		if (flow < FLOWS - 1)
			place_nearby(flow, pick(2));
	}
}

static void disturb_slot(uint64_t deadline)
{
	struct coax_slot *slot = &kernel.slots[pick(KERNEL_SLOTS)];

	switch (pick(5)) {
	case 0:
		slot->sequence++;
		break;
	case 1:
		slot->reply_length = (uint16_t)(COAX_REPLY_MAX + 1 + pick(1000));
		break;
	case 2:
		slot->max_age_length = (uint8_t)(5 + pick(251));
		break;
	case 3:
		slot->max_age_length = (uint8_t)(1 + pick(4));
		slot->max_age_at = (uint16_t)(slot->reply_length - slot->max_age_length + 1);
		break;
	default:
		/* What is dead stays so: its key may be another slot's by now. */
		if (now() < slot->deadline)
			slot->deadline = deadline;
	}
}

/* One thing is as it seldom is, for some frames. */
static void disturb(void)
{
	uint64_t times[] = {0, 1, now(), now() + MODEL_SECOND, now() + 3600 * MODEL_SECOND};
	uint64_t time = pick(6) ? times[pick(5)] : COAX_NEVER;

	switch (pick(19)) {
	case 0:
		kernel.config->enabled = 0;
		break;
	case 1:
		kernel.config->owner = 1;
		break;
	case 2:
	case 3:
		kernel.config->lease = time;
		break;
	case 4:
	case 5:
		kernel.link->mtu = (uint16_t)pick(1200);
		break;
	case 6:
		memset(kernel.link->mac, 0, 6);
		break;
	case 7:
		kernel.link->mac[pick(6)] ^= 1;
		break;
	case 8:
		kernel.config->exchanges = pick(2) ? 0 : KERNEL_EXCHANGES / 2;
		break;
	case 9:
	case 10:
	case 11:
		disturb_nearby();
		break;
	case 12:
		kernel.config->guard.listed = 0;
		break;
	case 13:
		kernel.config->sessions = 0;
		break;
	case 14:
		kernel.config->sessions_missing = 1 + pick(3);
		break;
	default:
		disturb_slot(time);
	}
}

#endif
