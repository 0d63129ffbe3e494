// SPDX-License-Identifier: BSD-2-Clause
/* ClientHellos, and the cookies that come before any state (RFC 6347 section 4.2.1). */
#include "dtls_world.h"
#include "transport/dtls_hello.h"

/* Every piece of memory is counted; sanitizers have an allocator of their own. */
static unsigned long allocations;

#ifndef __SANITIZE_ADDRESS__
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *memory, size_t size);

void *malloc(size_t size)
{
	allocations++;
	return __libc_malloc(size);
}

void *calloc(size_t count, size_t size)
{
	allocations++;
	return __libc_calloc(count, size);
}

void *realloc(void *memory, size_t size)
{
	allocations++;
	return __libc_realloc(memory, size);
}
#endif

/* The second datagram of a client's handshake: its ClientHello with a cookie. */
static struct flying hello;
static bool seize;

static bool seize_second(struct flying *datagram)
{
	static int from_client;

	if (datagram->from != CLIENT || !seize || from_client++ != 1)
		return true;
	hello = *datagram;
	return false;
}

/* A handshake that waits for its ClientHello with the cookie, which we have. */
static uint64_t seize_hello(void)
{
	uint64_t session;

	open_pair();
	world.filter = seize_second;
	seize = true;
	session = connect_client(NULL);
	ASSERT_TRUE(hello.length > 60);
	return session;
}

static int sent_by_server(void)
{
	return world.ends[SERVER].sent;
}

TEST("a ClientHello is read as far as its cookie, and never beyond its record")
{
	struct coax_record record;
	struct coax_hello parsed;
	uint8_t *copy;

	seize_hello();
	for (size_t length = 0; length <= hello.length; length++) {
		copy = malloc(length ? length : 1);
		memcpy(copy, hello.data, length);
		EXPECT_EQ(coax_record_parse(&record, copy, length), length == hello.length);
		/* With lengths that fit what is there, as a first fragment has them. */
		if (length >= COAX_RECORD_HEADER + 12) {
			copy[11] = (uint8_t)((length - COAX_RECORD_HEADER) >> 8);
			copy[12] = (uint8_t)(length - COAX_RECORD_HEADER);
			copy[COAX_RECORD_HEADER + 10] = (uint8_t)((length - 25) >> 8);
			copy[COAX_RECORD_HEADER + 11] = (uint8_t)(length - 25);
			ASSERT_TRUE(coax_record_parse(&record, copy, length));
			/* version, random, no session, cookie */
			EXPECT_EQ(coax_hello_parse(&parsed, &record),
				  length >= 25 + 2 + 32 + 1 + 1 + COAX_COOKIE_LENGTH);
		}
		free(copy);
	}
	world_close();
}

TEST("a cookie is good from its address alone")
{
	seize_hello();
	hello.from = OTHER;
	ASSERT_EQ(coax_address_parse(&world.ends[OTHER].address, "192.0.2.3:40001", 0), 0);
	receive(SERVER, &hello, 1);
	EXPECT_EQ(sent_by_server(), 2);
	EXPECT_EQ(COUNTED(SERVER, hellos_verified), 2);
	/* Nor from another port. */
	ASSERT_EQ(coax_address_parse(&world.ends[OTHER].address, "192.0.2.2:40002", 0), 0);
	receive(SERVER, &hello, 1);
	EXPECT_EQ(COUNTED(SERVER, hellos_verified), 3);
	hello.from = CLIENT;
	receive(SERVER, &hello, 1);
	EXPECT_EQ(COUNTED(SERVER, hellos_verified), 3);
	pump();
	EXPECT_EQ(world.ends[CLIENT].established, 1);
	world_close();
}

TEST("a cookie is good for one period more")
{
	seize_hello();
	world.now += COAX_COOKIE_PERIOD_NS;
	receive(SERVER, &hello, 1);
	EXPECT_EQ(COUNTED(SERVER, hellos_verified), 1);
	world_close();
}

TEST("a cookie is not good for two periods more")
{
	seize_hello();
	world.now += 2 * COAX_COOKIE_PERIOD_NS;
	receive(SERVER, &hello, 1);
	EXPECT_EQ(COUNTED(SERVER, hellos_verified), 2);
	world_close();
}

TEST("a cookie is for the ClientHello that it was given to")
{
	const size_t first = COAX_RECORD_HEADER + 12;
	int answered = 1;

	seize_hello();
	/* Version, random, session and cookie, one bit at a time; a length may make it none. */
	for (size_t at = first + 1; at < first + 2 + 32 + 1 + 1 + COAX_COOKIE_LENGTH; at++) {
		hello.data[at] ^= 1;
		receive(SERVER, &hello, 1);
		hello.data[at] ^= 1;
		EXPECT_LE(COUNTED(SERVER, hellos_verified), ++answered);
	}
	EXPECT_GE(COUNTED(SERVER, hellos_verified), 40);
	EXPECT_EQ(COUNTED(SERVER, handshakes_failed), 0);
	EXPECT_EQ(sent_by_server(), COUNTED(SERVER, hellos_verified));
	world_close();
}

TEST("the answer to a ClientHello has its record's number, and says DTLS 1.0")
{
	struct flying first = {.length = 0};

	seize_hello();
	hello.data[COAX_RECORD_HEADER + 12 + 5] ^= 0xff;
	hello.data[10] = 77;
	receive(SERVER, &hello, 1);
	ASSERT_EQ((int)(world.last - world.first), 1);
	first = world.queue[world.first % QUEUE];
	ASSERT_EQ((int)first.length, COAX_HELLO_VERIFY);
	EXPECT_MEMEQ(first.data, ((uint8_t[]){22, 0xfe, 0xff, 0,  0,	0,    0,
					      0,  0,	0,    77, 0,	24,   3,
					      0,  0,	12,   0,  1,	0,    0,
					      0,  0,	0,    12, 0xfe, 0xff, COAX_COOKIE_LENGTH}),
		     28);
	EXPECT_TRUE(first.length < hello.length);
	world_close();
}

TEST("a ClientHello without a cookie costs no memory")
{
	struct coax_datagram datagram, *messages;
	unsigned long before;

	seize_hello();
	world.filter = NULL;
	hello.data[COAX_RECORD_HEADER + 12 + 5] ^= 0xff;
	memset(&datagram, 0, sizeof(datagram));
	datagram.path.remote = world.ends[CLIENT].address;
	datagram.path.local = world.ends[SERVER].address;
	datagram.data = hello.data;
	datagram.length = (uint32_t)hello.length;
	before = allocations;
	for (int i = 0; i < QUEUE - 1; i++)
		coax_dtls_receive(world.ends[SERVER].dtls, world.now, &datagram, 1, &messages);
	EXPECT_TRUE(allocations == before);
	EXPECT_EQ(COUNTED(SERVER, hellos_verified), QUEUE);
	EXPECT_TRUE(coax_dtls_deadline(world.ends[SERVER].dtls) == UINT64_MAX);
	world.first = world.last;
	world_close();
}

/* The message of the ClientHello, in two records. */
static void split(struct flying parts[2], size_t at)
{
	size_t length = hello.length - COAX_RECORD_HEADER - 12;

	for (int i = 0; i < 2; i++) {
		size_t from = i ? at : 0, size = i ? length - at : at;
		uint8_t *message = parts[i].data + COAX_RECORD_HEADER;

		parts[i] = hello;
		parts[i].data[10] = (uint8_t)(hello.data[10] + 10 + i);
		parts[i].data[11] = (uint8_t)((size + 12) >> 8);
		parts[i].data[12] = (uint8_t)(size + 12);
		message[7] = (uint8_t)(from >> 8);
		message[8] = (uint8_t)from;
		message[10] = (uint8_t)(size >> 8);
		message[11] = (uint8_t)size;
		memcpy(message + 12, hello.data + COAX_RECORD_HEADER + 12 + from, size);
		parts[i].length = COAX_RECORD_HEADER + 12 + size;
	}
}

TEST("a fragmented ClientHello is taken, if its first fragment has the cookie")
{
	struct flying parts[2];

	seize_hello();
	split(parts, 60);
	receive(SERVER, &parts[0], 1);
	EXPECT_EQ(COUNTED(SERVER, hellos_verified), 1);
	EXPECT_EQ(sent_by_server(), 1);
	receive(SERVER, &parts[1], 1);
	pump();
	EXPECT_EQ(world.ends[SERVER].established, 1);
	EXPECT_EQ(world.ends[CLIENT].established, 1);
	world_close();
}

TEST("a second fragment of a ClientHello leaves nothing without the first")
{
	struct flying parts[2];

	seize_hello();
	split(parts, 60);
	receive(SERVER, &parts[1], 1);
	EXPECT_EQ(COUNTED(SERVER, records_dropped), 1);
	EXPECT_TRUE(coax_dtls_deadline(world.ends[SERVER].dtls) == UINT64_MAX);
	/* The client comes again. */
	world.filter = NULL;
	pass(5 * SECOND);
	EXPECT_EQ(world.ends[CLIENT].established, 1);
	world_close();
}

TEST("what says that it is a later fragment is not read as a ClientHello, whatever it looks like")
{
	seize_hello();
	/* One that would be answered with another cookie. */
	hello.data[COAX_RECORD_HEADER + 12 + 5] ^= 1;
	hello.data[COAX_RECORD_HEADER + 8] = 1;
	receive(SERVER, &hello, 1);
	EXPECT_EQ(COUNTED(SERVER, hellos_verified), 1);
	EXPECT_EQ(COUNTED(SERVER, records_dropped), 1);
	hello.data[COAX_RECORD_HEADER + 8] = 0;
	receive(SERVER, &hello, 1);
	EXPECT_EQ(COUNTED(SERVER, hellos_verified), 2);
	world_close();
}

TEST("a first fragment that ends before the cookie gets no answer")
{
	struct flying parts[2];

	seize_hello();
	split(parts, 40);
	receive(SERVER, &parts[0], 1);
	EXPECT_EQ(sent_by_server(), 1);
	EXPECT_EQ(COUNTED(SERVER, records_dropped), 1);
	world_close();
}

TEST("a ClientHello with a good cookie that is not a client's second message leaves nothing")
{
	seize_hello();
	for (uint8_t sequence = 0; sequence < 4; sequence++) {
		if (sequence == 1)
			continue;
		hello.data[COAX_RECORD_HEADER + 5] = sequence;
		receive(SERVER, &hello, 1);
	}
	EXPECT_EQ(COUNTED(SERVER, records_dropped), 3);
	EXPECT_TRUE(coax_dtls_deadline(world.ends[SERVER].dtls) == UINT64_MAX);
	world_close();
}

TEST("nobody is greeted where nobody serves")
{
	struct flying copy;

	seize_hello();
	copy = hello;
	copy.from = SERVER;
	receive(CLIENT, &copy, 1);
	EXPECT_EQ(COUNTED(CLIENT, hellos_verified), 0);
	EXPECT_EQ(COUNTED(CLIENT, records_dropped), 1);
	world_close();
}

TEST_MAIN()
