// SPDX-License-Identifier: BSD-2-Clause
// timeout: 300
/*
 * The program against its model: whatever frame comes in, and whatever the maps say, it ends in the
 * same counter, with the same action and the same bytes.
 *
 * COAX_MODEL_FRAMES in the environment changes how many, COAX_MODEL_SEED which.
 */
#include <time.h>
#include "../chance.h"
#include "model.h"

#define FRAMES	    500000
#define PAIRS	    80 /* more than slots */
#define MESSAGE_MAX 1400
#define TELL_MAX    5

static uint64_t now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec;
}

/* The world: */

static struct kernel kernel;
static struct model model;
static struct coax_nearby *nearby;
static struct coax_index_key pairs[PAIRS];
static struct frame_flow flows[5]; /* to endpoints of two services, the last one to none */

static struct coax_nearby *bucket_of(const struct frame_flow *flow)
{
	struct coax_endpoint_key key = kernel_endpoint_key(flow);
	uint32_t words[sizeof(key) / 4];

	memcpy(words, &key, sizeof(words));
	return &nearby[coax_nearby_bucket(words)];
}

static void add_endpoint(const struct frame_flow *flow, uint32_t service, bool is_nearby)
{
	struct coax_endpoint_key key = kernel_endpoint_key(flow);
	struct coax_endpoint_value value = {.service = service, .text = "test"};
	struct coax_nearby *bucket = bucket_of(flow);
	uint32_t way = pick(COAX_NEARBY_WAYS);

	ASSERT_EQ(bpf_map_update_elem(kernel_map(&kernel, "endpoints"), &key, &value, BPF_ANY), 0);
	model_add_endpoint(&model, &key, service);
	ASSERT_EQ(bucket->service[0] + bucket->service[1], 0U);
	bucket->complete = is_nearby;
	if (!is_nearby)
		return;
	bucket->key[way] = key;
	bucket->service[way] = service;
}

static void create_flows(void)
{
	for (size_t i = 0; i < 5; i++) {
		flows[i] = kernel_flow(i % 2);
		if (i >= 2)
			flows[i].destination_port = COAX_PORT_SECURE;
		if (i == 4)
			flows[i].destination_port = 5685;
		else
			add_endpoint(&flows[i], i < 2 ? KERNEL_SERVICE : KERNEL_SERVICE + 1, i < 3);
	}
}

/* Keys of all lengths; some are beginnings of others, and some end in zeros. */
static void create_pairs(void)
{
	for (size_t i = 0; i < PAIRS; i++) {
		struct coax_index_key *key = &pairs[i];

		if (i % 3 == 2)
			*key = pairs[i - 1];
		key->service = KERNEL_SERVICE + pick(2);
		key->code = COAX_GET;
		key->length = (uint16_t)pick(COAX_KEY_MAX + 1);
		for (size_t at = 0; at < COAX_KEY_MAX; at++) {
			if (at >= key->length)
				key->request[at] = 0;
			else if (i % 3 != 2 && pick(4))
				key->request[at] = (uint8_t)pick(256);
		}
	}
}

/*
 * No two live slots have the same key, and a live one is in the index: so <coax/maps.h> demands.
 * What the slot held before may still be in the index.
 */
static void publish(void)
{
	static const uint16_t lengths[] = {0, 1, 2, 3, 17, 66, 500, 1023, COAX_REPLY_MAX};
	const struct coax_index_key *key = &pairs[pick(PAIRS)];
	uint32_t number = pick(KERNEL_SLOTS);
	struct coax_slot *slot = &kernel.slots[number];
	struct coax_index_key former = {
		.service = slot->service, .code = slot->key_code, .length = slot->key_length};
	uint8_t reply[COAX_REPLY_MAX];
	size_t at, length;

	memcpy(former.request, slot->key, sizeof(former.request));
	at = model_find(&model, &former);
	if (at < model.index_count && model.index[at].slot == number && pick(2)) {
		bpf_map_delete_elem(kernel_map(&kernel, "index"), &former);
		model_unindex(&model, &former);
	}
	at = model_find(&model, key);
	if (at < model.index_count)
		kernel.slots[model.index[at].slot].deadline = 0;
	for (size_t i = 0; i < sizeof(reply); i++)
		reply[i] = (uint8_t)pick(256);
	length = pick(2) ? pick(200) : lengths[pick(sizeof(lengths) / sizeof(*lengths))];
	kernel_publish_key(&kernel, number, key, (uint8_t)pick(256), reply, length);
	model_index(&model, key, number);
}

static void create_world(void)
{
	kernel_open(&kernel);
	model = (struct model){.kernel = &kernel, .now = now()};
	nearby = kernel_mmap(kernel_map(&kernel, "nearby"), COAX_NEARBY_BUCKETS * sizeof(*nearby));
	for (size_t i = 0; i < COAX_NEARBY_BUCKETS; i++)
		nearby[i].complete = 1;
	create_flows();
	create_pairs();
	for (int i = 0; i < 3 * KERNEL_SLOTS; i++)
		publish();
}

/* One thing is as it seldom is, for some frames. */
static void disturb(void)
{
	struct coax_slot *slot = &kernel.slots[pick(KERNEL_SLOTS)];
	struct coax_nearby *bucket = bucket_of(&flows[pick(5)]);
	/* Not close to now: that is the clock of the kernel's, not of this process. */
	uint64_t times[] = {0, 1, model.now / 2, model.now + 3600000000000, COAX_NEVER};

	switch (pick(14)) {
	case 0:
		kernel.config->enabled = 0;
		break;
	case 1:
		kernel.config->owner = 1;
		break;
	case 2:
	case 3:
		kernel.config->lease = times[pick(5)];
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
		slot->sequence++;
		break;
	case 9:
		slot->reply_length = (uint16_t)(COAX_REPLY_MAX + 1 + pick(1000));
		break;
	case 10:
		/* Whatever becomes of buckets, the endpoints are as they were. */
		bucket->sequence++;
		break;
	case 11:
		bucket->complete = 0;
		break;
	default:
		/* What is dead stays so: its key may be another slot's by now. */
		if (model.now < slot->deadline)
			slot->deadline = times[pick(5)];
	}
}

static void calm(void)
{
	kernel.config->enabled = 1;
	kernel.config->owner = 0;
	kernel.config->lease = COAX_NEVER;
	kernel.link->mtu = KERNEL_MTU;
	memcpy(kernel.link->mac, kernel_mac, 6);
}

/* Frames: */

static size_t random_bytes(uint8_t *bytes, size_t length)
{
	for (size_t i = 0; i < length; i++)
		bytes[i] = (uint8_t)pick(256);
	return length;
}

/* A request for which there may be a reply. */
static size_t make_request(uint8_t *bytes, const struct coax_index_key *key)
{
	uint8_t token[COAX_TOKEN_MAX];

	random_bytes(token, sizeof(token));
	return frame_message(bytes, (uint8_t)pick(2), COAX_GET, (uint16_t)pick(65536), token,
			     pick(COAX_TOKEN_MAX + 1), key->request, key->length);
}

/* Any header in front of anything, but what decides is likely to be what decides differently. */
static size_t make_odd_message(uint8_t *bytes)
{
	static const uint8_t codes[] = {
		COAX_EMPTY,	  COAX_EMPTY,	   COAX_GET,	   COAX_POST,	    COAX_FETCH,
		COAX_CODE(0, 31), COAX_CODE(1, 0), COAX_CONTENT,   COAX_CODE(3, 1), COAX_NOT_FOUND,
		COAX_CODE(5, 31), COAX_CODE(6, 7), COAX_CODE(7, 1)};
	size_t rest = pick(3) ? pick(4) : pick(20) ? pick(90) : pick(MESSAGE_MAX - 4);

	random_bytes(bytes, 4 + rest);
	bytes[0] =
		(uint8_t)((pick(8) ? 1 : pick(4)) << 6 | pick(4) << 4 | (pick(2) ? 0 : pick(16)));
	bytes[1] = pick(4) ? codes[pick(sizeof(codes))] : (uint8_t)pick(256);
	return pick(16) ? 4 + rest : pick(5);
}

static size_t make_message(uint8_t *bytes, const struct coax_index_key *key)
{
	uint32_t kind = pick(16);
	size_t length;

	if (kind < 10)
		return make_request(bytes, key);
	if (kind == 10)
		return frame_message(bytes, (uint8_t)(pick(2) ? COAX_TYPE_CON : pick(4)),
				     COAX_EMPTY, (uint16_t)pick(65536), NULL, 0, NULL, 0);
	if (kind < 15)
		return make_odd_message(bytes);
	/* Nearly a request, and of a length that may be too long. */
	length = make_request(bytes, key);
	return length + random_bytes(bytes + length, 1 + pick(70));
}

/* Next to what cannot be answered, and that itself. */
static void odd_source(struct frame_flow *flow)
{
	static const uint8_t firsts[] = {0, 1, 126, 127, 128, 223, 224, 239, 240, 254, 255};

	switch (pick(8)) {
	case 0:
		memcpy(flow->source_ip, flow->destination_ip, sizeof(flow->source_ip));
		break;
	case 1:
		memset(flow->source_ip, 0, 8);
		break;
	case 2:
		memset(flow->source_ip, 0, 7);
		break;
	case 3:
		flow->source_mac[0] |= 1;
		break;
	case 4:
		flow->source_port = 0;
		break;
	default:
		flow->source_ip[0] = firsts[pick(sizeof(firsts))];
	}
}

/* To where there is an answer, most often. */
static struct frame_flow make_flow(const struct coax_index_key *key)
{
	struct frame_flow flow =
		flows[pick(16) ? 2 * (key->service - KERNEL_SERVICE) + pick(2) : pick(5)];

	flow.tags = pick(4) ? 0 : pick(3);
	flow.tag_protocol[pick(2)] = pick(2) ? 0x88a8 : 0x8100;
	flow.checksum = pick(flow.ipv6 && pick(8) ? 2 : 3);
	flow.padding = pick(2) ? pick(64) : 0;
	flow.source_port = (uint16_t)pick(65536);
	flow.dont_fragment = pick(2);
	random_bytes(flow.source_ip + 1, 3);
	if (pick(16) == 0)
		odd_source(&flow);
	/* An IPv4 endpoint's address, as no packet may have it. */
	if (flow.ipv6 && pick(32) == 0) {
		memset(flow.destination_ip, 0, 12);
		memset(flow.destination_ip + 10, 0xff, 2);
		memcpy(flow.destination_ip + 12, flows[0].destination_ip, 4);
	}
	return flow;
}

static void mutate(struct frame *frame)
{
	uint32_t within = (uint32_t)(frame->length < 90 ? frame->length : 90), at = pick(within);

	switch (pick(6)) {
	case 0:
	case 1:
		frame->bytes[at] ^= (uint8_t)(1 << pick(8));
		break;
	case 2:
		frame->bytes[at] = (uint8_t)pick(256);
		break;
	case 3:
		frame->bytes[at] = pick(2) ? 0xff : 0;
		break;
	case 4:
		if (pick(4) == 0)
			frame->length = 14 + pick((uint32_t)frame->length - 13);
		break;
	default:
		/* The length fields, one off or far off. */
		at = (uint32_t)(pick(2) ? frame->transport + 4
					: frame->network + (frame->ipv6 ? 4 : 2));
		frame_put16(frame->bytes + at,
			    (uint16_t)(pick(2) ? frame_get16(frame->bytes + at) + pick(3) - 1
					       : pick(65536)));
	}
}

/* What was changed is not to be seen by the checksums alone. */
static void mend(struct frame *frame)
{
	size_t length;

	if (frame->transport + 8 > frame->length)
		return;
	if (pick(4))
		frame_fix_ip_checksum(frame);
	length = frame_get16(frame->bytes + frame->transport + 4);
	if (length >= 8 && frame->transport + length <= frame->length && pick(2))
		frame_fix_udp_checksum(frame, pick(3));
}

static void make_frame(struct frame *frame)
{
	uint8_t message[MESSAGE_MAX + 200];
	const struct coax_index_key *key = &pairs[pick(PAIRS)];
	struct frame_flow flow = make_flow(key);

	frame_build(frame, &flow, message, make_message(message, key));
	if (pick(64) == 0) {
		random_bytes(frame->bytes + 6 * pick(3), frame->length - 12);
	} else if (pick(3) == 0) {
		for (uint32_t changes = 1 + pick(3); changes; changes--)
			mutate(frame);
		mend(frame);
	}
}

/* Outcomes: */

static uint64_t ended[sizeof(struct coax_stats) / sizeof(uint64_t)];

static bool same(const struct frame *frame, const struct verdict *verdict, size_t outcome,
		 const struct model_verdict *wanted)
{
	const struct frame *left = frame;

	if (outcome != wanted->outcome || verdict->action != kernel_action_of(outcome))
		return false;
	if (verdict->action == XDP_DROP)
		return true;
	if (verdict->action == XDP_TX)
		left = &wanted->reply;
	return verdict->length == left->length &&
	       memcmp(verdict->bytes, left->bytes, left->length) == 0;
}

static void tell(const struct frame *frame, const struct verdict *verdict, size_t outcome,
		 const struct model_verdict *wanted)
{
	HARNESS_SAY("the program says %s, the model %s",
		    outcome ? kernel_outcome_name(outcome) : "not exactly one thing",
		    kernel_outcome_name(wanted->outcome));
	harness_hex("frame", frame->bytes, frame->length);
	if (verdict->action == XDP_TX)
		harness_hex("program", verdict->bytes, verdict->length);
	if (kernel_action_of(wanted->outcome) == XDP_TX)
		harness_hex("model", wanted->reply.bytes, wanted->reply.length);
}

static bool compare(const struct frame *frame)
{
	static struct model_verdict wanted;
	static struct verdict verdict;
	size_t outcome;
	bool agree;

	model_run(&model, frame, &wanted);
	ASSERT_EQ(kernel_run(&kernel, frame, &verdict), 0);
	outcome = kernel_take_outcome(&kernel);
	ended[outcome / sizeof(uint64_t)]++;
	agree = same(frame, &verdict, outcome, &wanted);
	if (!agree && harness_failed < TELL_MAX)
		tell(frame, &verdict, outcome, &wanted);
	harness_failed += !agree;
	return agree;
}

/* The comparison means something only if there was something to compare. */
static void expect_all_outcomes(unsigned long frames)
{
	static const size_t wanted[] = {
		MODEL_OUTCOME(reply),	       MODEL_OUTCOME(pong),
		MODEL_OUTCOME(reset_token),    MODEL_OUTCOME(reset_code),
		MODEL_OUTCOME(reset_empty),    MODEL_OUTCOME(drop_short),
		MODEL_OUTCOME(drop_version),   MODEL_OUTCOME(drop_token),
		MODEL_OUTCOME(drop_code),      MODEL_OUTCOME(drop_empty),
		MODEL_OUTCOME(pass_disabled),  MODEL_OUTCOME(pass_lease),
		MODEL_OUTCOME(pass_not_ours),  MODEL_OUTCOME(pass_unusual),
		MODEL_OUTCOME(pass_malformed), MODEL_OUTCOME(pass_token),
		MODEL_OUTCOME(pass_message),   MODEL_OUTCOME(pass_method),
		MODEL_OUTCOME(pass_long),      MODEL_OUTCOME(pass_unknown),
		MODEL_OUTCOME(pass_withdrawn), MODEL_OUTCOME(pass_no_room),
		MODEL_OUTCOME(pass_checksum),
	};

	for (size_t i = 1; i < sizeof(ended) / sizeof(*ended); i++)
		printf("# %-14s %lu\n", kernel_outcome_name(i * sizeof(uint64_t)),
		       (unsigned long)ended[i]);
	for (size_t i = 0; i < sizeof(wanted) / sizeof(*wanted); i++) {
		if (ended[wanted[i] / sizeof(uint64_t)] >= frames / 2000)
			continue;
		HARNESS_SAY("hardly a frame ended as %s", kernel_outcome_name(wanted[i]));
		harness_failed++;
	}
	EXPECT_GT(ended[MODEL_OUTCOME(reply) / sizeof(uint64_t)], frames / 10);
}

TEST_TIMEOUT("whatever frame comes in, the program does what its model does, byte for byte", 280)
{
	unsigned long frames = setting("COAX_MODEL_FRAMES", FRAMES);
	static struct frame frame;

	chance_state = setting("COAX_MODEL_SEED", 20260101);
	create_world();
	for (unsigned long i = 0; i < frames; i++) {
		if (i % 64 == 0)
			calm();
		if (i % 64 == 48)
			disturb();
		if (i % 16 == 0)
			publish();
		make_frame(&frame);
		compare(&frame);
	}
	expect_all_outcomes(frames);
	kernel_close(&kernel);
}

TEST_MAIN()
