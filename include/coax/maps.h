/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Layout of every BPF map: the one file that the kernel half and userspace both include. Include
 * <linux/types.h> before it.
 *
 * Sums are one's-complement sums (RFC 1071) of 16-bit words taken as they lie in memory, folded
 * to 16 bits, not inverted, of bytes that start at an even offset; an odd last byte is padded
 * with zero. Times are nanoseconds of CLOCK_MONOTONIC. Fields named _be are in network order.
 */
#ifndef COAX_MAPS_H
#define COAX_MAPS_H

#include <coax/cookie.h>
#include <coax/digest.h>

/*
 * Changes with every change of this file that a program already loaded would misread. From outside
 * comes another only in a test of what happens then.
 */
#ifndef COAX_LAYOUT
#define COAX_LAYOUT 3
#endif

#define COAX_PIN_ROOT	      "/sys/fs/bpf/coax"
#define COAX_INSTANCE_DEFAULT "default"
#define COAX_PROGRAM_NAME     "coax_xdp"

/* Longest request that the kernel answers: bytes after the token. Longer ones pass. */
#define COAX_KEY_MAX 64
/* Longest reply that the kernel sends: bytes after the token. */
#define COAX_REPLY_MAX 1088

#define COAX_NEVER     0xffffffffffffffffULL

/* Longest reply to a duplicate that the kernel repeats: the whole message. */
#define COAX_REPEAT_MAX 190
/* Longest request whose duplicates it knows: the whole message. */
#define COAX_REPEATED_MAX 1472
/* Records in which one request's can lie. */
#define COAX_EXCHANGE_WAYS   2

#define COAX_ATTACHMENTS_MAX 16

/*
 * The program is loaded once for each interface; all share the maps below. What differs is its
 * `coax_link` (section .data.link, mmapable: userspace follows changes of the interface by plain
 * stores). Until a MAC address is there, or with one of zeros, no packet is ours.
 */
struct coax_link_state {
	__u8 mac[6];
	__u16 mtu; /* of IP packets; the kernel sends no longer ones */
} __attribute__((aligned(8)));

/* `coax_setup` (section .rodata): set before the program is loaded, constant from then on. */
struct coax_setup {
	__u32 owner;	      /* who loads it: under another, who could not take it off, it
			       * answers nothing */
	__u32 weakly_ordered; /* 0: this CPU does not reorder loads (x86), no barriers are needed */
	__u32 hint_bits;      /* the table `hints` has two to the power of it */
	__u32 route_replies;  /* 1: only where the way back to the client leads over the device
			       * that the request came by, and to the neighbour on that way */
};

#define COAX_VLANS 4096

/*
 * `coax_place` (section .data.place): where the interface stands. With `vlans_known`, a frame with
 * a tag is looked at only if that is the one of a VLAN in `vlans`, else with any.
 */
struct coax_place {
	__u32 device; /* ifindex of what has the addresses: the interface, or its bridge */
	__u8 port;    /* a bridge's */
	__u8 vlans_known;
	__u16 reserved;
	__u64 vlans[COAX_VLANS / 64]; /* by number, from the lowest bit of the first on */
};

/* `endpoints`: hash. Only packets to an address and port in it are looked at. */
struct coax_endpoint_key {
	__u8 address[16]; /* IPv4 as ::ffff:a.b.c.d */
	__be16 port_be;
	__u16 reserved; /* zero */
};

/*
 * This bit is set in the services of endpoints that take DTLS records (RFC 6347) and nothing else.
 * Nothing is ever published for those.
 */
#define COAX_SERVICE_SECURE 0x80000000U

struct coax_endpoint_value {
	__u32 service; /* the name space of requests that this endpoint belongs to */
	char text[60]; /* for people: "192.0.2.1:5683", "[2001:db8::1]:5684" */
};

/*
 * `nearby`: array, mmapable. The same endpoints for the program alone, which finds one in a
 * fraction of the time; under a sequence lock like slots. A bucket that is not `complete` says
 * nothing of endpoints that are not in it: those are looked up in `endpoints`.
 */
#define COAX_NEARBY_BUCKETS 1024
#define COAX_NEARBY_WAYS    2

struct coax_nearby {
	__u32 sequence;
	__u32 complete;
	struct coax_endpoint_key key[COAX_NEARBY_WAYS]; /* zeros: none */
	__u32 service[COAX_NEARBY_WAYS];
	__u32 reserved[2]; /* a cache line */
};

/* Which bucket is an endpoint's, by its key as words. The host's own addresses: nobody aims. */
static inline __attribute__((always_inline)) __u32 coax_nearby_bucket(const __u32 *key)
{
	__u64 all = key[0] ^ key[1] ^ key[2] ^ key[3] ^ key[4];

	return all * 0x9ae16a3b2f90404fULL >> 54;
}

/* `index`: hash. A request as it stands, found by its bytes after the token. */
struct coax_index_key {
	__u32 service;
	__u8 code;
	__u8 reserved; /* zero */
	__u16 length;
	__u8 request[COAX_KEY_MAX]; /* zero padded */
};

struct coax_index_value {
	__u32 slot;
	char method[8];
	char uri[116]; /* path and query, for people; cut when longer */
};

/*
 * `slots`: array, mmapable. One published reply, under a sequence lock: userspace makes
 * `sequence` odd, writes, makes it even. The first 64 bytes decide whether it may be sent, and
 * nothing else does: what is live here is sent, also when its index entry is gone (the program
 * remembers where it found a request). So a reply is withdrawn here, and no two live slots have the
 * same key.
 */
#define COAX_SLOT_USED 1
#define COAX_SLOT_COUNTED \
	2 /* used as well; whoever counts has seen it, and waits for the next one */

struct coax_slot {
	__u32 sequence;
	__u16 reply_length;
	__u16 reply_sum;
	__u64 deadline; /* not sent from then on; 0: withdrawn, COAX_NEVER: until withdrawn */
	/* Laid out like the start of struct coax_index_key. */
	__u32 service;
	__u8 key_code;
	__u8 reserved_key; /* zero */
	__u16 key_length;
	__u16 key_sum;
	__u8 reply_code;
	__u8 used; /* COAX_SLOT_USED when the kernel sends the reply; 0 by eviction and renewal */
	/*
	 * What was fetched from another origin ages: there the program writes the seconds that are
	 * left until the deadline, big-endian. In `reply`, and so in its sum, are zeros. Length 0:
	 * the reply goes out as it is.
	 */
	__u16 max_age_at; /* in `reply` */
	__u8 max_age_length;
	__u8 reserved;
	__u64 published; /* when userspace wrote this reply, for people; 0: never */
	__u8 reserved_end[24];
	__u8 key[COAX_KEY_MAX]; /* zero padded */
	__u8 reply[COAX_REPLY_MAX];
};

/*
 * `exchanges`: array, mmapable. What userspace has decided about a request that it has seen, under
 * a sequence lock as in `slots`: what its duplicates get (RFC 7252 section 4.5). A message is found
 * by its name, in one of COAX_EXCHANGE_WAYS records beginning with the number
 *
 *	coax_digest(secret, name, sizeof(name)) % config.exchanges, rounded down to a multiple
 *
 * and confirmed by the digest of all of it. What is not found passes.
 */
struct coax_exchange_name {
	__u8 peer[16]; /* IPv4 as ::ffff:a.b.c.d */
	__u8 local[16];
	__u16 peer_port;
	__u16 local_port;
	__u16 message_id;
	__u16 zone; /* with link-local addresses the interface's index, else zero */
};

enum __attribute__((packed)) coax_exchange_verdict {
	COAX_EXCHANGE_NONE = 0,	    /* userspace decides */
	COAX_EXCHANGE_HELD = 1,	    /* is being handled */
	COAX_EXCHANGE_ANSWERED = 2, /* or will never be */
};

/* `secret`: array of one. Random numbers, all of it. */
struct coax_secret {
	struct coax_digest_secret digest; /* of messages in `exchanges` */
	struct coax_cookie_key cookie;	  /* <coax/cookie.h> */
};

struct coax_exchange_record {
	__u32 sequence;
	__u16 reply_length; /* of the message that duplicates get; 0: they are dropped */
	enum coax_exchange_verdict verdict;
	__u8 reserved;
	__u64 expires;
	__u64 digest;
	struct coax_exchange_name name;
	__u16 reply_sum;
	__u8 reply[COAX_REPEAT_MAX];
};

/*
 * `sessions`: hash. Peers that have a DTLS session with us, or whose handshake has proven that they
 * are where they say they are. While config.sessions says so, and not one is missing, records
 * from nobody here are dropped, but for ClientHellos.
 */
struct coax_session_key {
	__u8 address[16]; /* IPv4 as ::ffff:a.b.c.d */
	__be16 port_be;
	__u16 reserved; /* zero */
};

struct coax_session_value {
	__u32 sessions; /* at least one */
	char text[60];	/* for people: "192.0.2.77:40321" */
};

/* One attached interface, for `coax status`. The rungs are those of the README's ladder. */
enum coax_rung {
	COAX_RUNG_NONE = 0,
	COAX_RUNG_DISPATCHER = 1, /* native, beside other programs, through libxdp's dispatcher */
	COAX_RUNG_NATIVE = 2,	  /* native, alone */
	COAX_RUNG_GENERIC = 3,	  /* generic mode, on request */
};

struct coax_attachment {
	__u32 ifindex; /* 0: free */
	enum coax_rung rung;
	__u32 silent; /* nothing is answered there now, for a reason that was logged */
	char name[16];
};

/*
 * `limits`: array, mmapable. What the guard remembers of prefixes of source addresses, under a
 * seeded hash of each in either of two rows of COAX_LIMITS_ROW; which others share a place with it
 * in both rows cannot be known from outside. Behind the rows, the totals. <coax/gcra.h> has the
 * arithmetic. Both halves write, without locks: what a race loses is a few tokens.
 */
#define COAX_LIMITS_BITS  15
#define COAX_LIMITS_ROW	  (1U << COAX_LIMITS_BITS)
#define COAX_LIMITS_TOTAL (2 * COAX_LIMITS_ROW)
#define COAX_LIMITS	  (COAX_LIMITS_TOTAL + 1)

struct coax_limit {
	__u64 requests; /* theoretical arrival time of the next one; in the totals: of strangers' */
	__u64 replies;	/* of the next byte that goes beyond the amplification factor */
	__u64 over;	/* requests that were over a limit */
	__u32 familiar; /* a prefix that was here before, by another hash */
	__u32 familiar_until; /* in units of 2^30 ns */
};

/* A rate, and how far it may be exceeded for a while. */
struct coax_rate {
	__u64 cost;	 /* of one request or byte, in 1/65536 ns; 0: no limit */
	__u64 tolerance; /* how far a theoretical arrival time may be ahead of now, ns */
};

/* `verified`: LRU hash. Source addresses that have proven to be where they say they are. */
struct coax_verified_key {
	__u8 address[16]; /* IPv4 as ::ffff:a.b.c.d */
};

struct coax_verified_value {
	__u64 until;
	char text[48]; /* for people: "192.0.2.1" */
};

/* `prefixes`: longest prefix match. What is in none is limited like everybody. */
enum coax_prefix_verdict {
	COAX_PREFIX_LIMITED = 0,
	COAX_PREFIX_ALLOWED = 1, /* without limits */
	COAX_PREFIX_DENIED = 2,	 /* dropped */
};

struct coax_prefix_key {
	__u32 length;	  /* in bits; of IPv4 96 more than people write */
	__u8 address[16]; /* IPv4 as ::ffff:a.b.c.d */
};

struct coax_prefix_value {
	enum coax_prefix_verdict verdict;
	char text[52]; /* for people: "192.0.2.0/24" */
};

#define COAX_PREFIXES_MAX 256

/*
 * Source ports that are never answered: no client sends from them, and their services answer
 * strangers.
 */
#define COAX_REFLECTORS(X)           \
	X(7, "echo")                 \
	X(9, "discard")              \
	X(13, "daytime")             \
	X(17, "quote of the day")    \
	X(19, "character generator") \
	X(37, "time")                \
	X(49, "TACACS")              \
	X(53, "DNS")                 \
	X(69, "TFTP")                \
	X(111, "portmapper")         \
	X(123, "NTP")                \
	X(137, "NetBIOS names")      \
	X(138, "NetBIOS datagrams")  \
	X(161, "SNMP")               \
	X(162, "SNMP traps")         \
	X(389, "CLDAP")              \
	X(500, "IKE")                \
	X(520, "RIP")                \
	X(521, "RIPng")              \
	X(623, "IPMI")               \
	X(1194, "OpenVPN")           \
	X(1434, "MS SQL monitor")    \
	X(1701, "L2TP")              \
	X(1900, "SSDP")              \
	X(3478, "STUN")              \
	X(3702, "WS-Discovery")      \
	X(5353, "mDNS")              \
	X(11211, "memcached")

/*
 * How the guard is set: what is zero is off. A reply goes beyond the amplification factor when it
 * is larger than `factor` times the request, both with COAX_FRAME_HEADERS added.
 */
struct coax_guard_config {
	__u64 seeds[3];	 /* random, odd: one for each row, one for `familiar` */
	__u64 mask_ipv6; /* of the address's first half, as it lies in memory */
	__u32 mask_ipv4; /* likewise */
	__u32 factor;
	__u32 pass_every; /* of requests over a limit, one in so many goes up; 0: none does */
	__u32 listed;	  /* entries of `prefixes` */
	__u32 strict;	  /* the way back to a source must be the interface it came in by */
	__u32 reserved;
	struct coax_rate requests;	/* of a prefix */
	struct coax_rate strangers;	/* requests for userspace, of all that are not familiar */
	struct coax_rate replies;	/* bytes beyond the factor to a prefix */
	struct coax_rate replies_total; /* the same to all */
	__u64 own[4]; /* a bit for each of our addresses, by coax_own_bit(): no bit, not ours */
};

/* `config`: array of one, mmapable. */
struct coax_config {
	__u32 layout;  /* COAX_LAYOUT */
	__u32 enabled; /* 0: every packet passes */
	__u64 lease;   /* the kernel answers until then; the daemon extends it */
	__u64 lease_length;
	__u32 pid; /* of the Context that owns the instance */
	__u32 slots;
	__u32 owner;		/* how many have taken the maps over before */
	__u32 exchanges;	/* records, a power of two; 0: duplicates pass */
	__u32 sessions;		/* room for so many peers; 0: it is not told of sessions */
	__u32 sessions_missing; /* sessions for which there was none */
	struct coax_attachment attachments[COAX_ATTACHMENTS_MAX];
	struct coax_guard_config guard __attribute__((aligned(64)));
};

/*
 * `stats`: per-CPU array of one. Every packet that the program sees adds one to `packets` and
 * one to exactly one of the others: first those of packets that are answered, then of those that
 * are dropped, then of those that pass; the last of these have a right to, so that strangers' share
 * is not theirs.
 */
#define COAX_STATS(X)                                                                    \
	X(packets, "packets seen")                                                       \
	X(reply, "requests answered from a slot")                                        \
	X(pong, "pings answered with RST")                                               \
	X(repeat, "duplicates that got the reply of the first")                          \
	X(reset_token, "RST to a CON: a reserved token length, or a token cut short")    \
	X(reset_code, "RST to a CON: a code of a reserved class")                        \
	X(reset_empty, "RST to a CON: Empty, but with more than a header")               \
	X(hello, "ClientHellos answered with a HelloVerifyRequest")                      \
	X(drop_duplicate, "dropped: duplicates of what is being handled, or of a NON")   \
	X(drop_raced, "dropped: the slot changed under the reply, the client repeats")   \
	X(drop_short, "dropped: to us, shorter than a CoAP header")                      \
	X(drop_version, "dropped: to us, another version of CoAP than 1")                \
	X(drop_token, "dropped: no CON, a reserved token length, or a token cut short")  \
	X(drop_code, "dropped: no CON, a code of a reserved class")                      \
	X(drop_empty, "dropped: an Empty NON; an ACK or RST, Empty with more behind it") \
	X(drop_denied, "dropped: from a prefix that is denied")                          \
	X(drop_reflector, "dropped: from a port whose service answers anything")         \
	X(drop_own, "dropped: from another interface, as if from an endpoint of ours")   \
	X(drop_source, "dropped: the way back to its source is another interface")       \
	X(drop_requests, "dropped: more requests than its prefix may make")              \
	X(drop_strangers, "dropped: for userspace, from one of too many strangers")      \
	X(drop_amplified, "dropped: too many large replies to unverified sources")       \
	X(drop_record, "dropped: a DTLS record from a peer without a session")           \
	X(pass_disabled, "passed: switched off")                                         \
	X(pass_lease, "passed: to us, while the lease had run out")                      \
	X(pass_not_ours, "passed: not UDP over IP to an endpoint of ours")               \
	X(pass_unusual, "passed: to us, but a fragment, IP options, odd lengths")        \
	X(pass_malformed, "passed: to us, to be rejected, but longer than is summed up") \
	X(pass_token, "passed: to us, a token of more than 8 bytes (RFC 8974)")          \
	X(pass_message, "passed: to us, an acknowledgement, reset or response")          \
	X(pass_method, "passed: a method that only userspace answers")                   \
	X(pass_long, "passed: a request longer than the index holds")                    \
	X(pass_unknown, "passed: a request without a published reply")                   \
	X(pass_withdrawn, "passed: the reply is withdrawn, expired or being written")    \
	X(pass_no_room, "passed: the reply fits neither the frame nor the MTU")          \
	X(pass_checksum, "passed: UDP over IPv6 without a checksum")                     \
	X(pass_server_port, "passed: a request from a CoAP server's port")               \
	X(pass_unchecked, "passed: its source cannot be checked: no forwarding, VLAN")   \
	X(pass_route, "passed: the reply would leave by another interface")              \
	X(pass_hello, "passed: a ClientHello that is continued, or odd in its lengths")  \
	X(pass_record, "passed: a DTLS record, while not all sessions are known")        \
	X(pass_limited, "passed: one of many over a limit, for userspace to say so")     \
	X(pass_cookie, "passed: a ClientHello that has the right cookie")                \
	X(pass_session, "passed: a DTLS record from a peer with a session")

struct coax_stats {
#define COAX_STATS_FIELD(name, text) __u64 name;
	COAX_STATS(COAX_STATS_FIELD)
#undef COAX_STATS_FIELD
};

#endif
