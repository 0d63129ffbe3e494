// SPDX-License-Identifier: BSD-2-Clause
// timeout: 170
/*
 * Replies are whole and never stale, under load: writers change representations as fast as they can
 * while readers ask the kernel half. No reply is torn, none mixes resources, and none is older than
 * the last change that was acknowledged before the request was made. The same of what comes in
 * blocks: each block is a part of one representation, and so are all that have one ETag. And what
 * has been fetched from another origin never promises to be fresh for longer than it is.
 *
 * COAX_TORTURE_SECONDS in the environment makes it longer.
 */
#include <time.h>
#include <linux/types.h>
#include <coax/coax.h>
#include <coax/maps.h>
#include "../harness.h"
#include "../client.h"
#include "../lab.h"
#include "roles.h"
#include "accel/accel.h"

#define PORT	  5683
#define CHANGING  4
#define SMALL	  16 /* the rest stay as they are: their replies give way only to others */
#define LARGE	  4  /* in blocks; half of them change */
#define RESOURCES (SMALL + LARGE)
#define SLOTS	  4 /* fewer than what is asked for: slots change hands all the time */
#define WORD	  9 /* "a0000002a": a letter and a version */
#define BODY_MAX  (340 * WORD)
#define MAX_AGE	  5 /* of what has been fetched */
#define SECOND	  1000000000ULL

struct state {
	char name[2];
	_Atomic uint32_t version;      /* what the resource is */
	_Atomic uint32_t acknowledged; /* what a client has been told that it is */
	_Atomic uint64_t fetched;      /* last; 0: it is our own */
	struct coax_resource *resource;
};

static struct state states[RESOURCES];
static atomic_ulong changes, from_kernel, from_sockets, bodies, begun_anew, blocks_from_kernel,
	fetches, failures;
static atomic_ulong ages_from_kernel[MAX_AGE + 1]; /* by the seconds that were left */

static bool is_large(const struct state *state)
{
	return state >= &states[SMALL];
}

/*
 * Bodies of different versions differ in length, and in each word. Every other resource has long
 * ones, for which there is time to change while they are copied.
 */
static size_t render(const struct state *state, uint32_t version, char *body)
{
	size_t words = is_large(state) ? 240 + version % 97
				       : (1 + version % 11) * (state->name[0] % 2 ? 1 : 9);

	for (size_t i = 0; i < words; i++)
		sprintf(body + i * WORD, "%s%08x", state->name, version);
	return words * WORD;
}

static uint64_t now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (uint64_t)time.tv_sec * SECOND + (uint64_t)time.tv_nsec;
}

/* Anew if it is not fresh for as long as is needed. */
static void say_fetched(struct state *state, struct coax_responder *responder)
{
	uint64_t fetched = atomic_load(&state->fetched);

	if (coax_responder_needed_until(responder) >= fetched + MAX_AGE * SECOND &&
	    atomic_compare_exchange_strong(&state->fetched, &fetched, now())) {
		fetched = atomic_load(&state->fetched);
		atomic_fetch_add(&fetches, 1);
	}
	coax_responder_set_fetched(responder, fetched, MAX_AGE);
}

static void on_get(struct coax_responder *responder, void *arg)
{
	struct state *state = arg;
	uint32_t version = atomic_load(&state->version);
	char body[BODY_MAX + 1];

	/* Now and then a change overtakes the rendering. */
	if (version % 7 == 0)
		usleep(50);
	if (atomic_load(&state->fetched))
		say_fetched(state, responder);
	coax_responder_set_payload(responder, body, render(state, version, body));
	coax_respond(responder, COAX_CONTENT);
}

static void on_put(struct coax_responder *responder, void *arg)
{
	struct state *state = arg;

	atomic_fetch_add(&state->version, 1);
	if (atomic_load(&state->fetched))
		atomic_store(&state->fetched, now());
	coax_resource_changed(state->resource);
	coax_respond(responder, COAX_CHANGED);
}

static void fail(const char *what, const uint8_t *body, size_t length, uint32_t least)
{
	if (atomic_fetch_add(&failures, 1) < 5)
		HARNESS_SAY("%s: \"%.*s\", version %08x was acknowledged before", what, (int)length,
			    (const char *)body, least);
}

/* Is it part of one representation of the right resource, and not older than `least`? */
static void check_part(const struct state *state, size_t offset, const uint8_t *part, size_t length,
		       bool more, uint32_t least)
{
	char wanted[BODY_MAX + 1];
	char number[9] = "";
	size_t word = (WORD - offset % WORD) % WORD, whole;
	uint32_t version;

	/* The last block may hold no word that is whole; those before it told. */
	if (offset && length < word + WORD)
		return;
	if (length < word + WORD || part[word] != (uint8_t)state->name[0]) {
		fail("another resource's body", part, length, least);
		return;
	}
	memcpy(number, part + word + 1, 8);
	version = (uint32_t)strtoul(number, NULL, 16);
	whole = render(state, version, wanted);
	if (more ? offset + length >= whole : offset + length != whole)
		fail("of another length", part, length, least);
	else if (memcmp(part, wanted + offset, length))
		fail("torn", part, length, least);
	else if (version < least)
		fail("stale", part, length, least);
}

/*
 * What was fetched since may be fresh for longer; what was not never is. Returns what is left, -1
 * for what does not age.
 */
static int check_age(const struct state *state, const struct coax_message *response, uint64_t asked)
{
	uint64_t fetched = atomic_load(&state->fetched);
	uint32_t left = 0;

	if (!fetched)
		return -1;
	if (!coax_message_find_uint(response, COAX_MAX_AGE, &left) || left > MAX_AGE ||
	    asked + left * SECOND > fetched + MAX_AGE * SECOND)
		fail("fresh for too long", (const uint8_t *)state->name, 1, left);
	return (int)left;
}

static void check(const struct state *state, const struct coax_message *response, uint32_t least)
{
	struct coax_block block = {0};
	size_t length;
	const uint8_t *body = coax_message_payload(response, &length);

	if (coax_message_find_block(response, COAX_BLOCK2, &block) < 0 ||
	    (block.more && length != coax_block_size(&block)))
		fail("a bad block", body, length, least);
	else
		check_part(state, coax_block_offset(&block), body, length, block.more, least);
}

static size_t request(uint8_t *bytes, uint8_t code, const struct state *state, uint32_t number)
{
	bytes[0] = 0x44;
	bytes[1] = code;
	bytes[2] = (uint8_t)(number >> 8);
	bytes[3] = (uint8_t)number;
	memcpy(bytes + 4, &number, 4);
	bytes[8] = 0xb1;
	bytes[9] = (uint8_t)state->name[0];
	return 10;
}

/* The same for a block: RFC 7959 section 2.2. */
static size_t block_request(uint8_t *bytes, const struct state *state, uint32_t number,
			    const struct coax_block *block)
{
	size_t length = request(bytes, COAX_GET, state, number);

	bytes[length++] = 0xc1; /* option 11 + 12 */
	bytes[length++] = (uint8_t)(block->number << 4 | block->exponent);
	return length;
}

/* Ask over a socket, again and again as a client would, until the answer to this request is there.
 */
static bool ask(int fd, const uint8_t *bytes, size_t length, uint8_t *reply,
		struct coax_message *response)
{
	for (int tries = 0; tries < 100; tries++) {
		struct pollfd readable = {.fd = fd, .events = POLLIN};
		ssize_t got;

		if (send(fd, bytes, length, 0) < 0)
			continue;
		if (poll(&readable, 1, 100) != 1)
			continue;
		got = recv(fd, reply, COAX_MESSAGE_MAX, 0);
		if (got >= 8 && !memcmp(reply + 4, bytes + 4, 4) &&
		    !coax_message_parse(response, reply, (size_t)got))
			return true;
	}
	return false;
}

static int client_side(void)
{
	int fd;

	lab_enter_client();
	fd = client_open(LAB_SERVER_IPV4, PORT);
	ASSERT_GE(fd, 0);
	return fd;
}

static void *writer(void *arg)
{
	unsigned int first = (unsigned int)(uintptr_t)arg;
	struct coax_message response;
	uint8_t bytes[16], reply[COAX_MESSAGE_MAX];
	int fd = client_side();

	for (uint32_t i = 0; !stop; i++) {
		/* Each resource has one writer, so versions are acknowledged in their order. */
		uint32_t which = i % (CHANGING / 2 + 1);
		struct state *state =
			&states[which == CHANGING / 2 ? SMALL + first : which * 2 + first];
		uint32_t version = atomic_load(&state->version);

		if (!ask(fd, bytes, request(bytes, COAX_PUT, state, i), reply, &response)) {
			fail("no answer to a PUT", NULL, 0, 0);
			break;
		}
		atomic_store(&state->acknowledged, version + 1);
		atomic_fetch_add(&changes, 1);
	}
	close(fd);
	return NULL;
}

static void *socket_reader(void *arg)
{
	struct coax_message response;
	uint8_t bytes[16], reply[COAX_MESSAGE_MAX];
	int fd = client_side();

	(void)arg;
	for (uint32_t i = 0; !stop; i++) {
		struct state *state = &states[i % SMALL];
		uint32_t least = atomic_load(&state->acknowledged);
		uint64_t asked = now();

		/* From another port now and then: by another worker than the writers' is the one
		 * that a change can overtake. */
		if (i % 64 == 63) {
			close(fd);
			fd = client_open(LAB_SERVER_IPV4, PORT);
		}
		if (!ask(fd, bytes, request(bytes, COAX_GET, state, i), reply, &response)) {
			fail("no answer to a GET", NULL, 0, 0);
			break;
		}
		check(state, &response, least);
		check_age(state, &response, asked);
		atomic_fetch_add(&from_sockets, 1);
	}
	close(fd);
	return NULL;
}

/* What a reader has of a body. */
struct transfer {
	uint8_t body[BODY_MAX];
	size_t length;
	uint8_t etag[8];
	uint32_t etag_length;
};

/* Returns whether the block goes on with what is there. */
static bool join(struct transfer *transfer, const struct coax_block *wanted,
		 const struct coax_message *response, bool *more)
{
	struct coax_option etag = {0};
	struct coax_block block;
	size_t length;
	const uint8_t *payload = coax_message_payload(response, &length);

	if (coax_message_find_block(response, COAX_BLOCK2, &block) <= 0 ||
	    block.number != wanted->number || transfer->length + length > BODY_MAX ||
	    !coax_message_find(response, COAX_ETAG, &etag) || etag.length > 8)
		return false;
	if (block.number && (etag.length != transfer->etag_length ||
			     memcmp(etag.value, transfer->etag, etag.length)))
		return false;
	memcpy(transfer->etag, etag.value, etag.length);
	transfer->etag_length = etag.length;
	memcpy(transfer->body + transfer->length, payload, length);
	transfer->length += length;
	*more = block.more;
	return true;
}

/* Fetches whole bodies, as fresh as when their first block was asked for. Its own the sizes. */
static void *block_reader(void *arg)
{
	int fd = client_side();
	struct transfer transfer;
	uint32_t number = 0;

	(void)arg;
	for (uint32_t i = 0; !stop; i++) {
		struct state *state = &states[SMALL + i % LARGE];
		struct coax_block block = {.exponent = (uint8_t)(4 + i / LARGE % 3)};
		uint32_t least = atomic_load(&state->acknowledged);
		bool more = true;

		for (transfer.length = 0; more && !stop; block.number++) {
			struct coax_message response;
			uint8_t bytes[16], reply[COAX_MESSAGE_MAX];

			if (!ask(fd, bytes, block_request(bytes, state, number++, &block), reply,
				 &response)) {
				fail("no answer to a GET of a block", NULL, 0, 0);
				stop = true;
			} else if (!join(&transfer, &block, &response, &more)) {
				atomic_fetch_add(&begun_anew, 1);
				break;
			}
		}
		if (more)
			continue;
		check_part(state, 0, transfer.body, transfer.length, false, least);
		atomic_fetch_add(&bodies, 1);
	}
	close(fd);
	return NULL;
}

static void check_from_kernel(const struct state *state, const struct coax_message *response,
			      uint32_t least, uint64_t asked)
{
	int left;

	check(state, response, least);
	left = check_age(state, response, asked);
	if (left >= 0 && left <= MAX_AGE)
		atomic_fetch_add(&ages_from_kernel[left], 1);
	atomic_fetch_add(is_large(state) ? &blocks_from_kernel : &from_kernel, 1);
}

/* Puts frames right into the program, on this CPU, with nothing between it and the slots. */
static void *frame_reader(void *arg)
{
	int program = *(int *)arg;
	uint8_t bytes[16];

	for (uint32_t i = 0; !stop; i++) {
		struct state *state = &states[i % RESOURCES];
		const struct coax_block block = {.number = i / RESOURCES % 4,
						 .exponent = (uint8_t)(4 + i / RESOURCES % 3)};
		size_t length = is_large(state) ? block_request(bytes, state, i, &block)
						: request(bytes, COAX_GET, state, i);
		uint32_t least = atomic_load(&state->acknowledged);
		struct coax_message response;
		uint8_t reply[COAX_MESSAGE_MAX];
		uint64_t asked = now();
		ssize_t got = lab_ask(program, bytes, length, reply, sizeof(reply));

		if (got <= 0)
			continue;
		if (coax_message_parse(&response, reply, (size_t)got) ||
		    memcmp(reply + 4, bytes + 4, 4))
			fail("no response to the request", reply, (size_t)got, least);
		else
			check_from_kernel(state, &response, least, asked);
	}
	return NULL;
}

static struct coax_site *create_site(void)
{
	struct coax_site *site;

	ASSERT_EQ(coax_site_create(&site), 0);
	/* One that changes, and two that do not, one of them large. */
	states[CHANGING - 1].fetched = now();
	states[CHANGING].fetched = now();
	states[RESOURCES - 1].fetched = now();
	for (int i = 0; i < RESOURCES; i++) {
		struct coax_resource_options options = {
			.path = states[i].name,
			.get = on_get,
			.put = on_put,
			.arg = &states[i],
			.cacheable = true,
		};

		states[i].name[0] = (char)('a' + i);
		states[i].version = 10;
		ASSERT_EQ(coax_site_add(site, &options, &states[i].resource), 0);
	}
	return site;
}

TEST_TIMEOUT("no reply is torn, and none is older than the last acknowledged change", 150)
{
	struct coax_context_options options = lab_options();
	const role_fn roles[] = {writer, writer, socket_reader, block_reader, frame_reader};
	struct coax_context *context;
	struct coax_context_stats stats;
	struct coax_stats kernel;
	int program;

	lab_begin();
	options.site = create_site();
	options.workers = 2;
	options.logger.from = COAX_LOG_WARNING;
	options.accel.slots = SLOTS;
	/* All requests come from one host. */
	options.guard.reply_bytes = COAX_UNLIMITED;
	options.guard.reply_bytes_total = COAX_UNLIMITED;
	context = context_open(options);
	program = lab_program();

	play_roles(roles, sizeof(roles) / sizeof(*roles), &program, 20);

	coax_context_stats_read(context, &stats);
	ASSERT_EQ(
		coax_accel_read_stats(coax_accel_open_map(COAX_INSTANCE_DEFAULT, "stats"), &kernel),
		0);
	printf("# %llu times a slot changed under its reply\n",
	       (unsigned long long)kernel.drop_raced);
	printf("# %lu changes, %llu published, %lu replies from the kernel, %lu over sockets\n",
	       changes, (unsigned long long)stats.published, from_kernel, from_sockets);
	printf("# %lu bodies in blocks, %lu times begun anew, %lu blocks from the kernel\n", bodies,
	       begun_anew, blocks_from_kernel);
	printf("# %lu times fetched, replies from the kernel by the seconds that were left:",
	       fetches);
	for (int i = 0; i <= MAX_AGE; i++)
		printf(" %lu", ages_from_kernel[i]);
	printf("\n");
	EXPECT_EQ(failures, 0UL);
	EXPECT_GT(changes, 1000UL);
	EXPECT_GT(stats.published, 1000UL);
	EXPECT_GT(from_kernel, 1000UL);
	EXPECT_GT(from_sockets, 1000UL);
	EXPECT_GT(bodies, 100UL);
	EXPECT_GT(blocks_from_kernel, 100UL);
	EXPECT_GT(fetches, 0UL);
	for (int i = 2; i < MAX_AGE; i++)
		EXPECT_GT(ages_from_kernel[i], 10UL);
	coax_context_shutdown(context);
	coax_site_destroy(options.site);
}

TEST_MAIN()
