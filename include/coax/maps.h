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

/* Changes with every change of this file that a program already loaded would misread. */
#define COAX_LAYOUT	      2

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
 *
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
};

/* `endpoints`: hash. Only packets to an address and port in it are looked at. */
struct coax_endpoint_key {
	__u8 address[16]; /* IPv4 as ::ffff:a.b.c.d */
	__be16 port_be;
	__u16 reserved; /* zero */
};

struct coax_endpoint_value {
	__u32 service; /* the name space of requests that this endpoint belongs to */
	char text[60]; /* for people: "192.0.2.1:5683", "[2001:db8::1]:5683" */
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
	__u64 sum = key[0] * 0x9ae16a3b2f90404fULL + key[1] * 0xc949c7defebe6b31ULL +
		    key[2] * 0xd6d018f597b91f2bULL + key[3] * 0x8f462907f9e1d4c5ULL +
		    key[4] * 0xb36a80d2fe6c9ab7ULL;

	return sum >> 54;
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
struct coax_slot {
	__u32 sequence;
	__u32 service;
	__u64 deadline; /* not sent from then on; 0: withdrawn, COAX_NEVER: until withdrawn */
	__u16 key_length;
	__u16 reply_length;
	__u16 key_sum;
	__u16 reply_sum;
	__u8 key_code;
	__u8 reply_code;
	__u8 used; /* set by the kernel when it sends the reply, cleared by eviction */
	__u8 reserved[5];
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
	char name[16];
};

/* `config`: array of one, mmapable. */
struct coax_config {
	__u32 layout;  /* COAX_LAYOUT */
	__u32 enabled; /* 0: every packet passes */
	__u64 lease;   /* the kernel answers until then; the daemon extends it */
	__u64 lease_length;
	__u32 pid; /* of the Context that owns the instance */
	__u32 slots;
	__u32 owner;	 /* how many have taken the maps over before */
	__u32 exchanges; /* records, a power of two; 0: duplicates pass */
	struct coax_attachment attachments[COAX_ATTACHMENTS_MAX];
};

/*
 * `stats`: per-CPU array of one. Every packet that the program sees adds one to `packets` and
 * one to exactly one of the others.
 */
#define COAX_STATS(X)                                                                    \
	X(packets, "packets seen")                                                       \
	X(reply, "requests answered from a slot")                                        \
	X(pong, "pings answered with RST")                                               \
	X(repeat, "duplicates that got the reply of the first")                          \
	X(drop_duplicate, "dropped: duplicates of what is being handled, or of a NON")   \
	X(drop_raced, "dropped: the slot changed under the reply, the client repeats")   \
	X(pass_disabled, "passed: switched off")                                         \
	X(pass_lease, "passed: to us, while the lease had run out")                      \
	X(pass_not_ours, "passed: not UDP over IP to an endpoint of ours")               \
	X(pass_unusual, "passed: to us, but a fragment, IP options, odd lengths")        \
	X(pass_malformed, "passed: to us, no well-formed CoAP header; userspace reacts") \
	X(pass_message, "passed: to us, an acknowledgement, reset or response")          \
	X(pass_method, "passed: a method that only userspace answers")                   \
	X(pass_long, "passed: a request longer than the index holds")                    \
	X(pass_unknown, "passed: a request without a published reply")                   \
	X(pass_withdrawn, "passed: the reply is withdrawn, expired or being written")    \
	X(pass_no_room, "passed: the reply fits neither the frame nor the MTU")          \
	X(pass_checksum, "passed: UDP over IPv6 without a checksum")

struct coax_stats {
#define COAX_STATS_FIELD(name, text) __u64 name;
	COAX_STATS(COAX_STATS_FIELD)
#undef COAX_STATS_FIELD
};

#endif
