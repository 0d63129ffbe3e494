// SPDX-License-Identifier: BSD-2-Clause
// timeout: 120
/*
 * The first round trip of a DTLS handshake is the kernel half's: real clients take its
 * HelloVerifyRequest, and what a flood of forged ClientHellos costs userspace is nothing.
 */
#include <linux/if_packet.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include "../bpf/hello.h"
#include "../harness.h"
#include "../keeper.h"
#include "credentials/credentials.h"
#include "transport/dtls.h"
#include "transport/dtls_hello.h"

#define SESSIONS 64
#define IDENTITY "device"
#define KEY	 "sixteen bytes ok"
#define KEY_HEX	 "7369787465656e206279746573206f6b"
#define ANSWER	 "answered"

static struct {
	struct coax_accel *accel;
	struct coax_dtls_shared *shared;
	struct coax_dtls *dtls;
	int socket;
	pthread_t thread;
	atomic_bool stop;
	atomic_int established;
	atomic_int ended;
	atomic_int datagrams;
	atomic_int unproven; /* ClientHellos without a good cookie, or what is no whole record */
	clockid_t clock;     /* its CPU time */
} server;

static uint64_t clock_ns(clockid_t clock)
{
	struct timespec time;

	clock_gettime(clock, &time);
	return (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec;
}

/* The server: */

static void on_send(void *arg, const struct coax_path *path, const uint8_t *data, size_t length)
{
	(void)arg;
	sendto(server.socket, data, length, 0, &path->remote.sa, sizeof(path->remote.in6));
}

static void on_begun(void *arg, const struct coax_path *path)
{
	(void)arg;
	coax_accel_session_add(server.accel, &path->remote);
}

static void on_established(void *arg, const struct coax_path *path,
			   const struct coax_claims *claims)
{
	(void)arg;
	(void)path;
	(void)claims;
	server.established++;
}

static void on_ended(void *arg, const struct coax_path *path, int result, const char *reason)
{
	(void)arg;
	(void)result;
	if (getenv("VERBOSE"))
		HARNESS_SAY("ended: %s", reason);
	coax_accel_session_remove(server.accel, &path->remote);
	server.ended++;
}

static const struct coax_dtls_ops ops = {
	.send = on_send,
	.begun = on_begun,
	.established = on_established,
	.ended = on_ended,
};

/* Whatever is asked, the same. */
static void answer(const struct coax_datagram *message)
{
	struct coax_message request, response;
	uint8_t bytes[256];

	if (coax_message_parse(&request, message->data, message->length) < 0 ||
	    COAX_CODE_CLASS(coax_message_code(&request)) || !coax_message_code(&request))
		return;
	ASSERT_EQ(coax_message_start(&response, bytes, sizeof(bytes), COAX_TYPE_ACK, COAX_CONTENT,
				     coax_message_id(&request), coax_message_token(&request),
				     coax_message_token_length(&request)),
		  0);
	ASSERT_EQ(coax_message_set_payload(&response, ANSWER, strlen(ANSWER)), 0);
	coax_dtls_send(server.dtls, clock_ns(CLOCK_MONOTONIC), &message->path, response.data,
		       response.length);
}

/* What the kernel half lets through without a session is a proven ClientHello. */
static void judge(struct coax_datagram *datagram, uint64_t now)
{
	struct coax_record record;
	struct coax_hello hello;

	server.datagrams++;
	if (!coax_record_parse(&record, datagram->data, datagram->length))
		server.unproven++;
	else if (coax_record_is_hello(&record) &&
		 (!coax_hello_parse(&hello, &record) ||
		  !coax_hello_cookie_is_valid(&hello, coax_accel_cookie_key(server.accel),
					      &datagram->path.remote, now)))
		server.unproven++;
}

static void take_in(void)
{
	uint64_t now = clock_ns(CLOCK_MONOTONIC);
	static uint8_t bytes[COAX_DATAGRAM_IN_MAX];
	struct coax_datagram datagram = {.data = bytes}, *messages;
	socklen_t size = sizeof(datagram.path.remote);
	ssize_t length = recvfrom(server.socket, bytes, sizeof(bytes), MSG_DONTWAIT,
				  &datagram.path.remote.sa, &size);
	unsigned int count;

	if (length < 0)
		return;
	datagram.length = (uint32_t)length;
	judge(&datagram, now);
	count = coax_dtls_receive(server.dtls, now, &datagram, 1, &messages);
	for (unsigned int i = 0; i < count; i++)
		answer(&messages[i]);
}

static void *serve(void *unused)
{
	struct pollfd poll_fd = {.fd = server.socket, .events = POLLIN};

	(void)unused;
	while (!server.stop) {
		coax_accel_renew(server.accel, clock_ns(CLOCK_MONOTONIC));
		if (poll(&poll_fd, 1, 50) > 0)
			take_in();
		if (coax_dtls_deadline(server.dtls) <= clock_ns(CLOCK_MONOTONIC))
			coax_dtls_tick(server.dtls, clock_ns(CLOCK_MONOTONIC));
	}
	return NULL;
}

static void open_socket(void)
{
	struct sockaddr_in6 any = {.sin6_family = AF_INET6, .sin6_port = htons(COAX_PORT_SECURE)};

	server.socket = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	ASSERT_GE(server.socket, 0);
	ASSERT_EQ(bind(server.socket, (struct sockaddr *)&any, sizeof(any)), 0);
}

static void open_dtls(void)
{
	static const char text[] = "{\":it\": {\"dtls\": {\"psk\": {\"ascii\": \"" KEY "\"}, "
				   "\"client-identity\": {\"ascii\": \"" IDENTITY "\"}}}}";
	struct coax_dtls_shared_options shared = {.logger = &keeper_logger};
	static struct coax_context_stats stats;
	struct coax_dtls_options options = {.ops = &ops, .logger = &keeper_logger, .stats = &stats};
	char error[COAX_CREDENTIALS_ERROR_MAX];

	ASSERT_EQ(coax_credentials_parse(&shared.server, text, strlen(text), "test.json", error),
		  0);
	shared.cookie_key = coax_accel_cookie_key(server.accel);
	ASSERT_EQ(coax_dtls_shared_create(&server.shared, &shared), 0);
	coax_credentials_release(shared.server);
	options.shared = server.shared;
	ASSERT_EQ(coax_dtls_create(&server.dtls, &options), 0);
}

static void begin(void)
{
	struct coax_accel_options options = keeper_options();
	union coax_address v4 = keeper_address("0.0.0.0:5684"), v6 = keeper_address("[::]:5684");

	lab_begin();
	options.sessions = SESSIONS;
	ASSERT_EQ(coax_accel_open(&server.accel, &options, &keeper_logger), 0);
	ASSERT_EQ(coax_accel_add_secure_endpoint(server.accel, &v4), 0);
	ASSERT_EQ(coax_accel_add_secure_endpoint(server.accel, &v6), 0);
	ASSERT_EQ(coax_accel_attach(server.accel), 0);
	open_socket();
	open_dtls();
	ASSERT_EQ(pthread_create(&server.thread, NULL, serve, NULL), 0);
	ASSERT_EQ(pthread_getcpuclockid(server.thread, &server.clock), 0);
}

static void end(void)
{
	server.stop = true;
	pthread_join(server.thread, NULL);
	coax_dtls_destroy(server.dtls);
	coax_dtls_shared_destroy(server.shared);
	coax_accel_close(server.accel);
}

/* Clients: */

struct client {
	const char *command;
	char said[16384];
};

static void *run_client(void *arg)
{
	struct client *client = arg;
	size_t length;
	FILE *output;

	lab_enter_client();
	output = popen(client->command, "r");
	ASSERT_TRUE(output);
	length = fread(client->said, 1, sizeof(client->said) - 1, output);
	client->said[length] = 0;
	pclose(output);
	return NULL;
}

/* Whether what a command says on the client's side has these words. */
static bool client_says(const char *command, const char *words)
{
	static struct client client;
	pthread_t thread;

	client.command = command;
	ASSERT_EQ(pthread_create(&thread, NULL, run_client, &client), 0);
	pthread_join(thread, NULL);
	if (strstr(client.said, words))
		return true;
	HARNESS_SAY("%s says no \"%s\" but: %s", command, words, client.said);
	return false;
}

static bool have(const char *program)
{
	char command[64];

	snprintf(command, sizeof(command), "command -v %s >/dev/null", program);
	return system(command) == 0;
}

TEST_TIMEOUT("OpenSSL's client and libcoap's, with OpenSSL and with GnuTLS, take the kernel's "
	     "HelloVerifyRequest",
	     60)
{
	static const struct {
		const char *program, *command, *words;
	} clients[] = {
		{"openssl",
		 "openssl s_client -dtls1_2 -connect " LAB_SERVER_IPV4
		 ":5684 -psk_identity " IDENTITY " -psk " KEY_HEX " </dev/null 2>&1",
		 "PSK identity: " IDENTITY},
		{"openssl",
		 "openssl s_client -dtls1_2 -connect [" LAB_SERVER_IPV6
		 "]:5684 -psk_identity " IDENTITY " -psk " KEY_HEX " </dev/null 2>&1",
		 "PSK identity: " IDENTITY},
		{"coap-client-openssl",
		 "coap-client-openssl -B 10 -u " IDENTITY " -k '" KEY "' coaps://" LAB_SERVER_IPV4
		 "/x 2>&1",
		 ANSWER},
		{"coap-client-openssl",
		 "coap-client-openssl -B 10 -u " IDENTITY " -k '" KEY "' coaps://[" LAB_SERVER_IPV6
		 "]/x 2>&1",
		 ANSWER},
		{"coap-client-gnutls",
		 "coap-client-gnutls -B 10 -u " IDENTITY " -k '" KEY "' coaps://" LAB_SERVER_IPV4
		 "/x 2>&1",
		 ANSWER},
		{"coap-client-gnutls",
		 "coap-client-gnutls -B 10 -u " IDENTITY " -k '" KEY "' coaps://[" LAB_SERVER_IPV6
		 "]/x 2>&1",
		 ANSWER},
	};
	int done = 0;

	begin();
	for (size_t i = 0; i < sizeof(clients) / sizeof(*clients); i++) {
		if (!have(clients[i].program))
			continue;
		EXPECT_TRUE(client_says(clients[i].command, clients[i].words));
		EXPECT_EQ((int)server.established, ++done);
		EXPECT_EQ(keeper_counters().hello, (uint64_t)done);
		EXPECT_EQ(keeper_counters().pass_cookie, (uint64_t)done);
	}
	EXPECT_GT(done, 0);
	EXPECT_EQ((int)server.unproven, 0);
	end();
}

/* A flood: */

#define FLOOD_FRAMES 64

struct flood {
	atomic_bool stop;
	uint64_t sent;
	uint64_t bytes;
	double seconds;
};

/* A ClientHello from anybody but who is here. */
static void forge(struct frame *frame, uint64_t number)
{
	struct frame_flow flow = lab_flow();
	struct hello hello = hello_default();
	uint8_t request[HELLO_MAX];

	flow.source_ip[0] = 198;
	flow.source_ip[1] = (uint8_t)(18 + (number >> 24 & 1));
	flow.source_ip[2] = (uint8_t)(number >> 16);
	flow.source_ip[3] = (uint8_t)(1 + (number >> 8) % 250);
	flow.source_port = (uint16_t)(20000 + number % 256);
	flow.destination_port = COAX_PORT_SECURE;
	memcpy(hello.random, &number, sizeof(number));
	frame_build(frame, &flow, request, hello_message(request, &hello));
}

static int open_wire(void)
{
	struct sockaddr_ll link = {.sll_family = AF_PACKET,
				   .sll_ifindex = (int)if_nametoindex(LAB_CLIENT)};
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0), on = 1;

	ASSERT_GE(fd, 0);
	ASSERT_EQ(bind(fd, (struct sockaddr *)&link, sizeof(link)), 0);
	setsockopt(fd, SOL_PACKET, PACKET_QDISC_BYPASS, &on, sizeof(on));
	return fd;
}

static void *pour(void *arg)
{
	static struct frame frames[FLOOD_FRAMES];
	struct mmsghdr messages[FLOOD_FRAMES] = {0};
	struct iovec vectors[FLOOD_FRAMES];
	struct flood *flood = arg;
	uint64_t begin_ns = clock_ns(CLOCK_MONOTONIC);
	int fd, count;

	lab_enter_client();
	fd = open_wire();
	while (!flood->stop) {
		for (int i = 0; i < FLOOD_FRAMES; i++) {
			forge(&frames[i], flood->sent + (uint64_t)i);
			vectors[i] = (struct iovec){frames[i].bytes, frames[i].length};
			messages[i].msg_hdr.msg_iov = &vectors[i];
			messages[i].msg_hdr.msg_iovlen = 1;
		}
		count = sendmmsg(fd, messages, FLOOD_FRAMES, 0);
		if (count > 0)
			flood->sent += (uint64_t)count;
	}
	flood->seconds = (double)(clock_ns(CLOCK_MONOTONIC) - begin_ns) / 1e9;
	close(fd);
	return NULL;
}

static void program_time(uint64_t *runs, uint64_t *ns)
{
	struct bpf_prog_info info = {0};
	uint32_t size = sizeof(info);
	int fd = lab_program();

	ASSERT_EQ(bpf_obj_get_info_by_fd(fd, &info, &size), 0);
	close(fd);
	*runs = info.run_cnt;
	*ns = info.run_time_ns;
}

#define DURING 10 /* handshakes beside the flood */

TEST_TIMEOUT("a flood of forged ClientHellos does not reach userspace, and real clients get in "
	     "beside it",
	     100)
{
	static const char get[] = "coap-client-openssl -B 20 -u " IDENTITY " -k '" KEY
				  "' coaps://" LAB_SERVER_IPV4 "/x 2>&1";
	uint64_t runs = 0, ns = 0, runs_after = 0, ns_after = 0, cpu;
	int timing = bpf_enable_stats(BPF_STATS_RUN_TIME), datagrams;
	struct flood flood = {0};
	struct coax_stats stats;
	pthread_t thread;

	if (!have("coap-client-openssl"))
		SKIP("no coap-client-openssl");
	begin();
	EXPECT_TRUE(client_says(get, ANSWER));
	/* Its close_notify is the last one. */
	WAIT_UNTIL(server.ended == 1);
	datagrams = server.datagrams;
	program_time(&runs, &ns);
	cpu = clock_ns(server.clock);
	ASSERT_EQ(pthread_create(&thread, NULL, pour, &flood), 0);
	for (int i = 0; i < DURING; i++)
		EXPECT_TRUE(client_says(get, ANSWER));
	flood.stop = true;
	pthread_join(thread, NULL);
	WAIT_UNTIL(server.ended == 1 + DURING);
	cpu = clock_ns(server.clock) - cpu;
	program_time(&runs_after, &ns_after);
	stats = keeper_counters();

	printf("# %.0f ClientHellos a second, of which %.1f %% were answered\n",
	       (double)flood.sent / flood.seconds, 100 * (double)stats.hello / (double)flood.sent);
	if (timing >= 0 && runs_after > runs)
		printf("# %.0f ns each in the kernel half\n",
		       (double)(ns_after - ns) / (double)(runs_after - runs));
	printf("# %d datagrams to userspace for %d handshakes, %.1f ms of CPU time\n",
	       (int)server.datagrams - datagrams, DURING, (double)cpu / 1e6);
	EXPECT_GT(stats.hello, 10000ULL);
	EXPECT_EQ((int)server.unproven, 0);
	EXPECT_EQ((int)server.established, 1 + DURING);
	/* A client that has to wait says things again. */
	EXPECT_LE((int)server.datagrams, 3 * (1 + DURING) * datagrams);
	end();
	close(timing);
}

TEST_MAIN()
