// SPDX-License-Identifier: BSD-2-Clause
// timeout: 300
/*
 * The program against its model: whatever frame comes in, and whatever the maps say, it ends in the
 * same counter, with the same action and the same bytes.
 *
 * COAX_MODEL_FRAMES in the environment changes how many, COAX_MODEL_SEED which.
 */
#include "world.h"

#define FRAMES	 500000
#define TELL_MAX 5

/* Frames: */

/* Any header in front of anything, but what decides is likely to be what decides differently. */
static size_t make_odd_message(uint8_t *bytes)
{
	static const uint8_t codes[] = {
		COAX_EMPTY,	  COAX_EMPTY,	   COAX_GET,	   COAX_POST,	    COAX_FETCH,
		COAX_CODE(0, 31), COAX_CODE(1, 0), COAX_CONTENT,   COAX_CODE(3, 1), COAX_NOT_FOUND,
		COAX_CODE(5, 31), COAX_CODE(6, 7), COAX_CODE(7, 1)};
	size_t rest = pick(3) ? pick(4) : pick(20) ? pick(90) : pick(1400);

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
	static const uint16_t ports[] = {0, 7, 8, 53, 5683, 5684, 5685, 11211, 11212};
	static const uint8_t firsts[] = {0, 1, 126, 127, 128, 223, 224, 239, 240, 254, 255};

	switch (pick(10)) {
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
	case 5:
		flow->source_port = ports[pick(sizeof(ports) / sizeof(*ports))];
		break;
	case 6:
		memcpy(flow->source_ip, own[flow->ipv6], sizeof(flow->source_ip));
		break;
	default:
		flow->source_ip[0] = firsts[pick(sizeof(firsts))];
	}
}

/* To where there is an answer, most often. */
static struct frame_flow make_flow(const struct coax_index_key *key)
{
	struct frame_flow flow = flows[pick(16) ? flow_to(key->service) : pick(FLOWS)];

	wrap(&flow);
	flow.source_port = (uint16_t)pick(65536);
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

/* Again, or nearly. */
static void make_duplicate(struct frame *frame)
{
	const struct asked *one = &asked[pick(ASKED)];
	struct frame_flow flow = one->flow;

	wrap(&flow);
	frame_build(frame, &flow, one->message, one->length);
	if (pick(8) == 0) {
		frame->bytes[frame->coap + pick((uint32_t)one->length)] ^= (uint8_t)(1 << pick(8));
		frame_fix_udp_checksum(frame, flow.checksum);
	}
}

static void make_new(struct frame *frame)
{
	uint8_t message[MESSAGE_MAX];
	const struct coax_index_key *key = &pairs[pick(PAIRS)];
	struct frame_flow flow = make_flow(key);

	frame_build(frame, &flow, message, make_message(message, key));
}

/* What decides on a ClientHello, one off or far off. */
static void spoil_hello(uint8_t *bytes)
{
	static const uint8_t places[] = {0,
					 1,
					 HELLO_AT_EPOCH,
					 HELLO_AT_EPOCH + 1,
					 HELLO_AT_RECORD_LENGTH + 1,
					 HELLO_AT_TYPE,
					 HELLO_AT_LENGTH + 2,
					 HELLO_AT_OFFSET + 2,
					 HELLO_AT_FRAGMENT_LENGTH + 2,
					 HELLO_AT_VERSION,
					 HELLO_AT_VERSION + 1,
					 HELLO_AT_RANDOM + 8,
					 HELLO_AT_SESSION,
					 HELLO_MIN - 1};
	uint8_t *at = bytes + places[pick(sizeof(places))];

	if (pick(4) == 0)
		*at = (uint8_t)pick(256);
	else
		*at = (uint8_t)(*at + (pick(2) ? 1 : 255));
}

/* With a cookie, right or wrong, or without. */
static size_t make_hello(uint8_t *bytes, const struct frame_flow *flow)
{
	struct hello hello = hello_default();
	size_t length;

	hello.version = pick(4) ? 0xfefd : 0xfeff;
	hello.session_length = pick(2) ? 0 : pick(33);
	hello.rest = pick(2) ? 0 : pick(100);
	random_bytes(hello.random, sizeof(hello.random));
	random_bytes(hello.session, sizeof(hello.session));
	random_bytes(hello.cookie, sizeof(hello.cookie));
	hello.cookie_length = pick(2) ? 0 : pick(2) ? COAX_COOKIE_LENGTH : pick(256);
	if (hello.cookie_length == COAX_COOKIE_LENGTH && pick(4)) {
		hello_message(bytes, &hello);
		hello_cookie(hello.cookie, &secret.cookie, flow, bytes,
			     (uint8_t)(coax_cookie_period(now()) + 2 - pick(5)));
	}
	length = hello_message(bytes, &hello);
	if (pick(3) == 0)
		spoil_hello(bytes);
	return pick(8) ? length : pick((uint32_t)length + 1);
}

static size_t make_record(uint8_t *bytes)
{
	random_bytes(bytes, 100);
	bytes[0] = (uint8_t)(pick(4) ? 20 + pick(6) : pick(256));
	bytes[HELLO_AT_TYPE] = (uint8_t)pick(4);
	if (pick(2))
		memset(bytes + HELLO_AT_EPOCH, 0, 2);
	return pick(101);
}

/* To a secure endpoint, from who has a session with it or has none. */
static void make_secure(struct frame *frame)
{
	static uint8_t message[MESSAGE_MAX];
	struct frame_flow flow = peers[pick(PEERS)];
	size_t length;

	wrap(&flow);
	if (pick(2))
		flow.source_port = (uint16_t)pick(65536);
	if (pick(16) == 0)
		odd_source(&flow);
	if (pick(8) == 0)
		length = make_message(message, &pairs[pick(PAIRS)]);
	else if (pick(3))
		length = make_hello(message, &flow);
	else
		length = make_record(message);
	frame_build(frame, &flow, message, length);
}

static void make_frame(struct frame *frame)
{
	uint32_t kind = pick(12);

	if (kind < 2)
		make_duplicate(frame);
	else if (kind == 2)
		make_secure(frame);
	else
		make_new(frame);
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

	model.now = now();
	ASSERT_EQ(kernel_run(&kernel, frame, &verdict), 0);
	outcome = kernel_take_outcome(&kernel);
	ended[outcome / sizeof(uint64_t)]++;
	model_run(&model, frame, &wanted);
	agree = same(frame, &verdict, outcome, &wanted);
	if (!agree) {
		/* Time may have gone on before the program looked. */
		model.now = now();
		model_run(&model, frame, &wanted);
		agree = same(frame, &verdict, outcome, &wanted);
	}
	if (!agree && harness_failed < TELL_MAX)
		tell(frame, &verdict, outcome, &wanted);
	harness_failed += !agree;
	return agree;
}

/* The comparison means something only if there was something to compare. */
static void expect_all_outcomes(unsigned long frames)
{
	static const size_t wanted[] = {
		MODEL_OUTCOME(reply),
		MODEL_OUTCOME(pong),
		MODEL_OUTCOME(repeat),
		MODEL_OUTCOME(drop_duplicate),
		MODEL_OUTCOME(reset_token),
		MODEL_OUTCOME(reset_code),
		MODEL_OUTCOME(reset_empty),
		MODEL_OUTCOME(drop_raced),
		MODEL_OUTCOME(drop_short),
		MODEL_OUTCOME(drop_version),
		MODEL_OUTCOME(drop_token),
		MODEL_OUTCOME(drop_code),
		MODEL_OUTCOME(drop_empty),
		MODEL_OUTCOME(pass_disabled),
		MODEL_OUTCOME(pass_lease),
		MODEL_OUTCOME(pass_not_ours),
		MODEL_OUTCOME(pass_unusual),
		MODEL_OUTCOME(pass_malformed),
		MODEL_OUTCOME(pass_token),
		MODEL_OUTCOME(pass_message),
		MODEL_OUTCOME(pass_method),
		MODEL_OUTCOME(pass_long),
		MODEL_OUTCOME(pass_unknown),
		MODEL_OUTCOME(pass_withdrawn),
		MODEL_OUTCOME(pass_no_room),
		MODEL_OUTCOME(pass_checksum),
		MODEL_OUTCOME(pass_server_port),
		MODEL_OUTCOME(drop_denied),
		MODEL_OUTCOME(drop_reflector),
		MODEL_OUTCOME(drop_own),
		MODEL_OUTCOME(hello),
		MODEL_OUTCOME(pass_cookie),
		MODEL_OUTCOME(pass_hello),
		MODEL_OUTCOME(pass_session),
		MODEL_OUTCOME(pass_record),
		MODEL_OUTCOME(drop_record),
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
	EXPECT_GT(ended[MODEL_OUTCOME(repeat) / sizeof(uint64_t)], frames / 100);
	EXPECT_GT(ended[MODEL_OUTCOME(drop_duplicate) / sizeof(uint64_t)], frames / 400);
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
		if (i % 8 == 0)
			record();
		make_frame(&frame);
		compare(&frame);
	}
	expect_all_outcomes(frames);
	kernel_close(&kernel);
}

TEST_MAIN()
