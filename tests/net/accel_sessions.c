// SPDX-License-Identifier: BSD-2-Clause
/*
 * What the keeper tells the program of DTLS: secure endpoints, sessions, the key of cookies.
 */
#include <pthread.h>
#include "../harness.h"
#include "../bpf/hello.h"
#include "../keeper.h"

#define SESSIONS 4

static const uint8_t record[30] = {23, 0xfe, 0xfd, 0, 1};

static union coax_address any_secure(void)
{
	union coax_address any = keeper_address("0.0.0.0:5684");

	return any;
}

static struct coax_accel *open_secure(uint32_t sessions, int lock)
{
	struct coax_accel_options options = keeper_options();
	union coax_address plain = keeper_address("0.0.0.0"), secure = any_secure();
	struct coax_accel *accel = NULL;

	options.sessions = sessions;
	options.lock = lock;
	ASSERT_EQ(coax_accel_open(&accel, &options, &keeper_logger), 0);
	ASSERT_EQ(coax_accel_add_endpoint(accel, &plain), 0);
	ASSERT_EQ(coax_accel_add_secure_endpoint(accel, &secure), 0);
	return accel;
}

static struct coax_accel *begin_secure(uint32_t sessions)
{
	struct coax_accel *accel;

	lab_begin();
	accel = open_secure(sessions, 0);
	ASSERT_EQ(coax_accel_attach(accel), 0);
	return accel;
}

static union coax_address peer(unsigned int number)
{
	char text[64];

	snprintf(text, sizeof(text), "192.0.2.%u:%u", 100 + number % 100, 40000 + number / 100);
	return keeper_address(text);
}

static struct frame_flow flow_of(const union coax_address *remote)
{
	struct frame_flow flow = lab_flow();

	memcpy(flow.source_ip, &remote->in.sin_addr, 4);
	flow.source_port = coax_address_port(remote);
	flow.destination_port = COAX_PORT_SECURE;
	return flow;
}

/* What becomes of a record from there: as lab_ask_by() says it. */
static ssize_t send_record(const union coax_address *remote)
{
	struct frame_flow flow = flow_of(remote);
	int program = lab_program();
	uint8_t reply[64];
	ssize_t result = lab_ask_by(program, &flow, record, sizeof(record), reply, sizeof(reply));

	close(program);
	return result;
}

#define PASSED	0
#define DROPPED (-1)

/* Gets the cookie that a ClientHello of the remote's is sent. */
static void get_cookie(const union coax_address *remote, uint8_t cookie[COAX_COOKIE_LENGTH])
{
	struct frame_flow flow = flow_of(remote);
	struct hello hello = hello_default();
	uint8_t request[HELLO_MAX], reply[HELLO_VERIFY_MAX];
	int program = lab_program();
	ssize_t length;

	length = lab_ask_by(program, &flow, request, hello_message(request, &hello), reply,
			    sizeof(reply));
	close(program);
	ASSERT_EQ(length, 37);
	memcpy(cookie, reply + length - COAX_COOKIE_LENGTH, COAX_COOKIE_LENGTH);
}

/* Whether it is one by that key. */
static bool is_cookie_of(const uint8_t cookie[COAX_COOKIE_LENGTH],
			 const struct coax_cookie_key *key, const union coax_address *remote)
{
	struct frame_flow flow = flow_of(remote);
	struct hello hello = hello_default();
	uint8_t request[HELLO_MAX], wanted[COAX_COOKIE_LENGTH];

	hello_message(request, &hello);
	hello_cookie(wanted, key, &flow, request, cookie[0]);
	return memcmp(wanted, cookie, sizeof(wanted)) == 0;
}

TEST("a secure endpoint answers ClientHellos with the keeper's cookies, and nothing else")
{
	struct coax_accel *accel = begin_secure(SESSIONS);
	union coax_address remote = peer(0);
	uint8_t cookie[COAX_COOKIE_LENGTH];

	EXPECT_TRUE(is_endpoint(LAB_SERVER_IPV4, COAX_PORT));
	EXPECT_TRUE(is_endpoint(LAB_SERVER_IPV4, COAX_PORT_SECURE));
	EXPECT_EQ(keeper_config().sessions, (uint32_t)SESSIONS);
	get_cookie(&remote, cookie);
	EXPECT_TRUE(is_cookie_of(cookie, coax_accel_cookie_key(accel), &remote));
	EXPECT_EQ(send_record(&remote), DROPPED);
	coax_accel_close(accel);
}

TEST("a peer's records pass for as long as it has a session, or several")
{
	struct coax_accel *accel = begin_secure(SESSIONS);
	union coax_address one = peer(1), other = peer(2);

	coax_accel_session_add(accel, &one);
	EXPECT_EQ(send_record(&one), PASSED);
	EXPECT_EQ(send_record(&other), DROPPED);
	/* The next one, before the last one is over. */
	coax_accel_session_add(accel, &one);
	coax_accel_session_remove(accel, &one);
	EXPECT_EQ(send_record(&one), PASSED);
	coax_accel_session_remove(accel, &one);
	EXPECT_EQ(send_record(&one), DROPPED);
	EXPECT_EQ(keeper_entries("sessions"), 0U);
	coax_accel_close(accel);
}

TEST("what the map has no room for is no reason to drop anything, until it is over")
{
	struct coax_accel *accel = begin_secure(SESSIONS);
	union coax_address stranger = peer(99), remote;

	for (unsigned int i = 0; i < 2 * SESSIONS; i++) {
		remote = peer(i);
		coax_accel_session_add(accel, &remote);
		EXPECT_EQ(send_record(&remote), PASSED);
	}
	EXPECT_EQ(keeper_config().sessions_missing, (uint32_t)SESSIONS);
	EXPECT_EQ(send_record(&stranger), PASSED);
	/* Those in the map end first. */
	for (unsigned int i = 0; i < 2 * SESSIONS; i++) {
		remote = peer(i);
		EXPECT_EQ(send_record(&remote), PASSED);
		coax_accel_session_remove(accel, &remote);
	}
	EXPECT_EQ(keeper_config().sessions_missing, 0U);
	EXPECT_EQ(send_record(&stranger), DROPPED);
	EXPECT_EQ(keeper_entries("sessions"), 0U);
	coax_accel_close(accel);
}

TEST("without room for any, the program is told nothing and drops nothing")
{
	struct coax_accel *accel = begin_secure(0);
	union coax_address remote = peer(0);

	coax_accel_session_add(accel, &remote);
	EXPECT_EQ(keeper_entries("sessions"), 0U);
	EXPECT_EQ(send_record(&remote), PASSED);
	coax_accel_session_remove(accel, &remote);
	EXPECT_EQ(send_record(&remote), PASSED);
	coax_accel_close(accel);
}

/* Each has a peer of its own, and one that all have. */
static void *add_and_remove(void *arg)
{
	struct coax_accel *accel = arg;
	static unsigned int last;
	union coax_address own = peer(10 + __atomic_fetch_add(&last, 1, __ATOMIC_RELAXED));
	union coax_address shared = peer(9);

	for (int i = 0; i < 500; i++) {
		coax_accel_session_add(accel, &own);
		coax_accel_session_add(accel, &shared);
		coax_accel_session_remove(accel, &own);
		coax_accel_session_remove(accel, &shared);
	}
	coax_accel_session_add(accel, &shared);
	return NULL;
}

TEST("threads add and remove sessions at the same time, and none is lost")
{
	struct coax_accel *accel = begin_secure(2 * SESSIONS);
	union coax_address shared = peer(9);
	pthread_t threads[4];

	for (size_t i = 0; i < 4; i++)
		ASSERT_EQ(pthread_create(&threads[i], NULL, add_and_remove, accel), 0);
	for (size_t i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	EXPECT_EQ(keeper_config().sessions_missing, 0U);
	for (int i = 0; i < 4; i++) {
		EXPECT_EQ(send_record(&shared), PASSED);
		coax_accel_session_remove(accel, &shared);
	}
	EXPECT_EQ(send_record(&shared), DROPPED);
	coax_accel_close(accel);
}

TEST("ten thousand sessions come and go at once, and none of them is missing meanwhile")
{
	struct coax_accel *accel = begin_secure(10000);
	union coax_address remote;

	for (unsigned int i = 0; i < 10000; i++) {
		remote = peer(i);
		coax_accel_session_add(accel, &remote);
	}
	EXPECT_EQ(keeper_config().sessions_missing, 0U);
	EXPECT_EQ(keeper_entries("sessions"), 10000U);
	for (unsigned int i = 0; i < 10000; i++) {
		remote = peer(i);
		coax_accel_session_remove(accel, &remote);
	}
	EXPECT_EQ(keeper_entries("sessions"), 0U);
	coax_accel_close(accel);
}

TEST("whoever takes over has none of the sessions, and makes the same cookies")
{
	struct coax_accel *former = begin_secure(SESSIONS), *next;
	struct coax_cookie_key key = *coax_accel_cookie_key(former);
	union coax_address remote = peer(3);
	uint8_t cookie[COAX_COOKIE_LENGTH];

	EXPECT_NE(key.words[0] | key.words[1], 0ULL);
	coax_accel_session_add(former, &remote);
	EXPECT_EQ(send_record(&remote), PASSED);
	next = open_secure(SESSIONS, coax_accel_lock(former));
	ASSERT_EQ(coax_accel_prepare(next), 0);
	EXPECT_EQ(send_record(&remote), PASSED);
	ASSERT_EQ(coax_accel_attach(next), 0);
	EXPECT_EQ(send_record(&remote), DROPPED);
	get_cookie(&remote, cookie);
	EXPECT_TRUE(is_cookie_of(cookie, &key, &remote));
	coax_accel_hand_over(former);
	coax_accel_close(former);
	EXPECT_MEMEQ(coax_accel_cookie_key(next), &key, sizeof(key));
	coax_accel_close(next);
}

TEST("so it is after one that was killed")
{
	struct coax_accel *accel;
	struct coax_cookie_key *key =
		mmap(NULL, sizeof(*key), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	union coax_address remote = peer(4);
	int ready[2];
	pid_t pid;
	char byte;

	ASSERT_TRUE(key != MAP_FAILED);
	lab_begin();
	ASSERT_EQ(pipe(ready), 0);
	pid = fork();
	ASSERT_GE(pid, 0);
	if (pid == 0) {
		accel = open_secure(SESSIONS, 0);
		ASSERT_EQ(coax_accel_attach(accel), 0);
		*key = *coax_accel_cookie_key(accel);
		for (unsigned int i = 0; i < 2 * SESSIONS; i++) {
			union coax_address one = peer(i);

			coax_accel_session_add(accel, &one);
		}
		ASSERT_EQ(write(ready[1], "x", 1), 1);
		for (;;)
			pause();
	}
	ASSERT_EQ(read(ready[0], &byte, 1), 1);
	ASSERT_EQ(kill(pid, SIGKILL), 0);
	ASSERT_EQ(waitpid(pid, NULL, 0), pid);
	ASSERT_EQ(keeper_entries("sessions"), (unsigned int)SESSIONS);

	accel = open_secure(SESSIONS, 0);
	ASSERT_EQ(coax_accel_attach(accel), 0);
	EXPECT_EQ(keeper_entries("sessions"), 0U);
	EXPECT_EQ(keeper_config().sessions_missing, 0U);
	EXPECT_EQ(send_record(&remote), DROPPED);
	EXPECT_MEMEQ(coax_accel_cookie_key(accel), key, sizeof(*key));
	coax_accel_close(accel);
}

TEST_MAIN()
