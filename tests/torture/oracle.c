// SPDX-License-Identifier: BSD-2-Clause
// timeout: 600
/*
 * The two halves agree, by differential testing: the same request is given to both halves, as from
 * the same peer, and what the kernel half sends is what userspace sends, byte for byte; what it
 * drops userspace says nothing to; or it has passed it.
 *
 * Userspace is asked over a network past the interface that the kernel half is attached to.
 *
 * COAX_ORACLE_REQUESTS in the environment changes how many, COAX_ORACLE_SEED which.
 */
#include <pthread.h>
#include <linux/types.h>
#include <coax/coax.h>
#include <coax/maps.h>
#include "../harness.h"
#include "../client.h"
#include "../lab.h"
#include "accel/accel.h"
#include "requests.h"

#define PORT		  5683
#define REQUESTS	  100000
#define REQUESTS_A_SOCKET 5000 /* message IDs are not to run out on one */
#define REQUESTS_A_CHANGE 333  /* of which resources there are */
#define SECOND		  1000000000ULL
#define REPLY_MAX	  1280

/* No request has this message ID, nor comes to it by a few bits. */
static const uint8_t barrier[] = {0x40, 0x00, 0xff, 0xff};
static const uint8_t barrier_answer[] = {0x70, 0x00, 0xff, 0xff};

#define BYPASS_SERVER	   "198.51.100.1"
#define BYPASS_CLIENT	   "198.51.100.2"
#define BYPASS_SERVER_IPV6 "2001:db8:1::1"
#define BYPASS_CLIENT_IPV6 "2001:db8:1::2"

/* What one half says to a datagram. */
struct says {
	int count; /* datagrams; -1: it leaves that to the other half */
	size_t length;
	uint8_t bytes[REPLY_MAX]; /* the last of them; Max-Age of what ages is taken out */
	int left;		  /* that Max-Age; -1: none */
	uint64_t since, until;	  /* when it was asked, and had answered */
};

struct peer {
	int fd;
	struct frame_flow flow; /* the same peer, as the kernel half sees it */
};

/* Zeros are left in its place. */
static int take_left(uint8_t *reply, size_t length)
{
	struct coax_option option;
	struct coax_message m;
	int left;

	if (coax_message_parse(&m, reply, length) ||
	    !coax_message_find(&m, COAX_MAX_AGE, &option) || option.length != 2 ||
	    coax_option_uint(&option) > FETCHED_MAX_AGE)
		return -1;
	left = (int)coax_option_uint(&option);
	memset(reply + (option.value - reply), 0, option.length);
	return left;
}

static void begin(struct says *says)
{
	says->count = 0;
	says->length = 0;
	says->since = clock_now();
}

static void end(struct says *says)
{
	says->until = clock_now();
	says->left = says->count > 0 ? take_left(says->bytes, says->length) : -1;
}

static void ask_kernel(int program, const struct peer *peer, const uint8_t *bytes, size_t length,
		       struct says *says)
{
	ssize_t got;

	begin(says);
	got = lab_ask_by(program, &peer->flow, bytes, length, says->bytes, sizeof(says->bytes));
	says->count = got == 0 ? -1 : got > 0;
	says->length = got > 0 ? (size_t)got : 0;
	end(says);
}

/* What comes before the answer to a ping sent right behind. */
static void ask_userspace(const struct peer *peer, const uint8_t *bytes, size_t length,
			  struct says *says)
{
	uint8_t other[REPLY_MAX];
	ssize_t got;

	begin(says);
	ASSERT_EQ(send(peer->fd, bytes, length, 0), (ssize_t)length);
	ASSERT_EQ(send(peer->fd, barrier, sizeof(barrier), 0), (ssize_t)sizeof(barrier));
	for (;;) {
		got = client_receive(peer->fd, other, sizeof(other));
		ASSERT_GE(got, 0);
		if (got == sizeof(barrier_answer) &&
		    !memcmp(other, barrier_answer, sizeof(barrier_answer)))
			break;
		memcpy(says->bytes, other, (size_t)got);
		says->length = (size_t)got;
		says->count++;
	}
	end(says);
}

/* Max-Age counts down, or is what was said before. */
static bool ages(const struct says *before, const struct says *after)
{
	int gone = before->left - after->left;

	if (before->left < 0 || after->left < 0)
		return before->left == after->left;
	return gone >= 0 && (uint64_t)gone <= (after->until - before->since) / SECOND + 1;
}

static bool agree(const struct says *kernel, const struct says *userspace)
{
	if (kernel->count < 0)
		return true;
	if (kernel->since < userspace->since ? !ages(kernel, userspace) : !ages(userspace, kernel))
		return false;
	return kernel->count == userspace->count && kernel->length == userspace->length &&
	       !memcmp(kernel->bytes, userspace->bytes, kernel->length);
}

/* Kinds of requests, and how many of each the kernel half has answered or dropped. */
enum kind {
	PLAIN,
	WITH_ETAG,
	WITH_ACCEPT,
	WITH_QUERY,
	WITH_BLOCK2,
	FETCHES,
	NOT_FOUND,
	VALID,
	AGED,
	DISCOVERY,
	OTHERS,
	EMPTY,
	REJECTED,
	KINDS
};

/* Of 1000 requests, at least those of this kind that the kernel sees to, at once and as duplicates.
 */
static const struct {
	const char *name;
	unsigned int first, again;
} kinds[KINDS] = {
	[PLAIN] = {"plain", 50, 60},	    [WITH_ETAG] = {"ETag", 15, 25},
	[WITH_ACCEPT] = {"Accept", 8, 12},  [WITH_QUERY] = {"query", 3, 5},
	[WITH_BLOCK2] = {"Block2", 10, 20}, [FETCHES] = {"FETCH", 10, 30},
	[NOT_FOUND] = {"4.04", 18, 50},	    [VALID] = {"2.03", 20, 22},
	[AGED] = {"aged", 7, 10},	    [DISCOVERY] = {"discovery", 6, 12},
	[OTHERS] = {"others", 0, 70},	    [EMPTY] = {"Empty", 1, 1},
	[REJECTED] = {"rejected", 60, 60},
};

struct share {
	unsigned long asked, answered, dropped;
};

struct tally {
	struct share first[KINDS], again[KINDS];
	unsigned long duplicates, differing;
	unsigned long aged, later; /* by a second or more than what was said just before */
};

static bool is_response(const struct says *says)
{
	return says->count == 1 && says->length >= 4 && says->bytes[1] != COAX_EMPTY;
}

static enum kind kind_of_response(const struct says *says)
{
	struct coax_option format = {0};
	struct coax_message m;

	if (coax_message_parse(&m, says->bytes, says->length))
		return KINDS;
	if (coax_message_code(&m) == COAX_NOT_FOUND)
		return NOT_FOUND;
	if (coax_message_code(&m) == COAX_VALID)
		return VALID;
	if (says->left >= 0)
		return AGED;
	if (coax_message_find(&m, COAX_CONTENT_FORMAT, &format) &&
	    coax_option_uint(&format) == COAX_FORMAT_LINK)
		return DISCOVERY;
	return KINDS;
}

static enum kind kind_of(const uint8_t *bytes, size_t length, const struct says *userspace)
{
	struct coax_message m;
	struct coax_option option;
	enum kind kind;

	if (coax_message_parse(&m, bytes, length))
		return REJECTED;
	if (coax_message_code(&m) == COAX_EMPTY)
		return EMPTY;
	if (!is_response(userspace))
		return REJECTED;
	kind = kind_of_response(userspace);
	if (kind != KINDS)
		return kind;
	if (coax_message_code(&m) == COAX_FETCH)
		return FETCHES;
	if (coax_message_code(&m) != COAX_GET)
		return OTHERS;
	if (coax_message_find(&m, COAX_BLOCK2, &option))
		return WITH_BLOCK2;
	if (coax_message_find(&m, COAX_ETAG, &option))
		return WITH_ETAG;
	if (coax_message_find(&m, COAX_URI_QUERY, &option))
		return WITH_QUERY;
	return coax_message_find(&m, COAX_ACCEPT, &option) ? WITH_ACCEPT : PLAIN;
}

static void count(struct share *share, const struct says *kernel)
{
	share->asked++;
	share->answered += kernel->count > 0;
	share->dropped += kernel->count == 0;
}

static void count_age(struct tally *tally, const struct says *kernel, const struct says *userspace)
{
	if (kernel->left < 0)
		return;
	tally->aged++;
	tally->later += kernel->left != userspace->left;
}

static void tell(const uint8_t *bytes, size_t length, const struct says *kernel,
		 const struct says *userspace)
{
	HARNESS_SAY("the halves differ: %d datagrams from the kernel half, %d from userspace",
		    kernel->count, userspace->count);
	harness_hex("request", bytes, length);
	harness_hex("kernel", kernel->bytes, kernel->length);
	harness_hex("userspace", userspace->bytes, userspace->length);
}

/*
 * Three times: as it comes, as a duplicate when userspace has seen to it and may have published,
 * and to userspace again. To a duplicate may be said what was said before, or what is said now.
 */
static void ask_both(int program, const struct peer *peer, const uint8_t *bytes, size_t length,
		     struct tally *tally)
{
	struct says kernel, userspace, again;
	enum kind kind;
	bool right;

	ask_kernel(program, peer, bytes, length, &kernel);
	ask_userspace(peer, bytes, length, &userspace);
	kind = kind_of(bytes, length, &userspace);
	right = agree(&kernel, &userspace);
	count(&tally->first[kind], &kernel);
	count_age(tally, &kernel, &userspace);
	if (userspace.count == 1 && pick(4) == 0)
		remember_validation(bytes, length, userspace.bytes, userspace.length);
	if (right) {
		ask_kernel(program, peer, bytes, length, &kernel);
		count(&tally->again[kind], &kernel);
		count_age(tally, &kernel, &userspace);
		right = agree(&kernel, &userspace);
		if (!right || pick(4) == 0) {
			ask_userspace(peer, bytes, length, &again);
			tally->duplicates++;
			right = right || agree(&kernel, &again);
		}
	}
	if (!right && tally->differing++ < 5)
		tell(bytes, length, &kernel, &userspace);
}

static void open_peer(struct peer *peer, bool ipv6)
{
	const char *server = ipv6 ? LAB_SERVER_IPV6 : LAB_SERVER_IPV4;
	struct sockaddr_in6 in6;
	struct sockaddr_in in;

	peer->fd = client_open(server, PORT);
	ASSERT_GE(peer->fd, 0);
	peer->flow = lab_flow();
	peer->flow.ipv6 = ipv6;
	inet_pton(ipv6 ? AF_INET6 : AF_INET, server, peer->flow.destination_ip);
	if (ipv6) {
		ASSERT_EQ(getsockname(peer->fd, (struct sockaddr *)&in6, &(socklen_t){sizeof(in6)}),
			  0);
		memcpy(peer->flow.source_ip, &in6.sin6_addr, 16);
		peer->flow.source_port = ntohs(in6.sin6_port);
	} else {
		ASSERT_EQ(getsockname(peer->fd, (struct sockaddr *)&in, &(socklen_t){sizeof(in)}),
			  0);
		memcpy(peer->flow.source_ip, &in.sin_addr, 4);
		peer->flow.source_port = ntohs(in.sin_port);
	}
}

struct job {
	int program;
	struct coax_site *site;
	unsigned long requests;
	struct tally tally;
};

static void *run(void *arg)
{
	struct job *job = arg;
	struct peer peer = {.fd = -1};

	lab_enter_client();
	lab_run("ip addr add " BYPASS_CLIENT "/24 dev bypass1 && ip link set bypass1 up");
	lab_run("ip addr add " BYPASS_CLIENT_IPV6 "/64 dev bypass1 nodad");
	lab_run("ip route add " LAB_SERVER_IPV4 "/32 via " BYPASS_SERVER " src " BYPASS_CLIENT);
	lab_run("ip route add " LAB_SERVER_IPV6 "/128 via " BYPASS_SERVER_IPV6);
	for (unsigned long i = 0; i < job->requests; i++) {
		unsigned long id = i % REQUESTS_A_SOCKET;
		uint8_t bytes[BYTES_MAX];
		size_t length;

		if (id == 0) {
			close(peer.fd);
			open_peer(&peer, i / REQUESTS_A_SOCKET % 2);
		}
		if (i % REQUESTS_A_CHANGE == 0)
			come_or_go(job->site);
		/* Now and then under a message ID that another message has had (section 4.4). */
		length = make_request(bytes, (uint16_t)(pick(16) ? id : pick((uint32_t)id + 1)));
		ask_both(job->program, &peer, bytes, length, &job->tally);
	}
	close(peer.fd);
	return NULL;
}

/* A way to the server past its first interface. */
static void create_bypass(void)
{
	lab_run("ip link add bypass0 type veth peer name bypass1 netns %d", lab_client_pid);
	lab_run("ip addr add " BYPASS_SERVER "/24 dev bypass0 && ip link set bypass0 up");
	lab_run("ip addr add " BYPASS_SERVER_IPV6 "/64 dev bypass0 nodad");
}

static void show(enum kind kind, const char *when, const struct share *share)
{
	printf("# %-10s %-7s %6lu asked, %6lu answered by the kernel, %6lu dropped\n",
	       kinds[kind].name, when, share->asked, share->answered, share->dropped);
}

/* The comparison means something only if the kernel half has answered a good part. */
static void expect_enough(const struct tally *tally, unsigned long requests)
{
	unsigned long answered = 0;

	for (enum kind i = 0; i < KINDS; i++) {
		const struct share *first = &tally->first[i], *again = &tally->again[i];

		show(i, "at once", first);
		show(i, "again", again);
		EXPECT_GE(first->answered + first->dropped, kinds[i].first * requests / 1000);
		EXPECT_GE(again->answered + again->dropped, kinds[i].again * requests / 1000);
		answered += first->answered + again->answered;
	}
	printf("# %lu duplicates to userspace, %lu differing\n", tally->duplicates,
	       tally->differing);
	printf("# %lu with what is left of Max-Age, %lu of them as a second ended\n", tally->aged,
	       tally->later);
	EXPECT_LE(tally->later, tally->aged / 50);
	EXPECT_GT(answered, 2 * requests / 3);
	EXPECT_GT(tally->duplicates, requests / 8);
}

/* Duplicates of what is not in a slot. And that userspace was asked past the program. */
static void expect_stats(unsigned long requests)
{
	struct coax_stats stats;

	ASSERT_EQ(
		coax_accel_read_stats(coax_accel_open_map(COAX_INSTANCE_DEFAULT, "stats"), &stats),
		0);
	printf("# %llu duplicates repeated, %llu dropped\n", (unsigned long long)stats.repeat,
	       (unsigned long long)stats.drop_duplicate);
	EXPECT_GT(stats.repeat, requests / 30);
	EXPECT_GT(stats.drop_duplicate, requests / 30);
	EXPECT_LT(stats.packets, 2 * requests + requests / 10);
}

TEST_TIMEOUT("the kernel half sends what userspace sends, byte for byte, or passes", 580)
{
	struct coax_context_options options = lab_options();
	struct job job = {.requests = setting("COAX_ORACLE_REQUESTS", REQUESTS)};
	struct coax_context *context;
	pthread_t thread;

	chance_state = setting("COAX_ORACLE_SEED", 20260101);
	lab_begin();
	create_bypass();
	options.site = create_site();
	options.logger.from = COAX_LOG_ERROR;
	options.accel.slots = 256;
	/* All requests come from one host. */
	options.guard.reply_bytes = COAX_UNLIMITED;
	options.guard.reply_bytes_total = COAX_UNLIMITED;
	context = context_open(options);
	job.program = lab_program();
	job.site = options.site;
	ASSERT_EQ(pthread_create(&thread, NULL, run, &job), 0);
	pthread_join(thread, NULL);
	EXPECT_EQ(job.tally.differing, 0UL);
	expect_enough(&job.tally, job.requests);
	expect_stats(job.requests);
	coax_context_shutdown(context);
	coax_site_destroy(options.site);
}

TEST_MAIN()
