/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the files of the keeper share. Lock order: a subject's lock, then the keeper's. Against that
 * order only trylock is used.
 */
#ifndef COAX_ACCEL_INTERNAL_H
#define COAX_ACCEL_INTERNAL_H

#include <net/if.h>
#include <pthread.h>
#include <bpf/libbpf.h>
#include <urcu/list.h>
#include "accel/accel.h"
#include "exchange/timer.h"
#include "hash.h"
#include "rcu.h"

struct accel_link;
struct coax_bpf;
struct xdp_program;

#define ACCEL_SLOTS_DEFAULT	8192
#define ACCEL_LEASE_DEFAULT	3000 /* ms */
#define ACCEL_EXCHANGES_DEFAULT 16384
#define ACCEL_MAPS		12

/* One service an instance: all endpoints of a Context answer alike. */
#define ACCEL_SERVICE 0

extern const char *const accel_map_names[ACCEL_MAPS];

/* What to do when the kernel says EPERM. */
#define ACCEL_PRIVILEGES                                                                 \
	"; it needs CAP_BPF, CAP_NET_ADMIN and CAP_PERFMON, and CAP_SYS_ADMIN to stand " \
	"beside other XDP programs: run as root"

/*
 * A slot and what the program need not know of it. `node`, and what is in the slot, belong to the
 * owner's lock; `owner`, `hash` and `next` change under both locks.
 */
struct accel_pair {
	struct cds_list_head node;  /* in the owner's list, or in the keeper's of free ones */
	struct cds_list_head error; /* in the keeper's list, if it is one; its lock */
	struct coax_subject *owner; /* NULL: free */
	struct coax_accel *accel;
	struct coax_slot *slot;
	uint64_t hash;		  /* of the request */
	uint32_t next;		  /* in the bucket: number + 1; 0: the last one */
	struct coax_timer ageing; /* the keeper's lock; runs only while there is an owner */
	bool is_error;
};

struct coax_subject {
	struct rcu_head rcu;
	pthread_mutex_t lock;
	uint64_t id; /* no other subject ever had it */
	uint64_t generation;
	unsigned long references;
	bool dead;	/* the last reference is gone */
	uint32_t pairs; /* how many it has; changes under the keeper's lock too */
	struct cds_list_head published;
	struct cds_list_head withdrawn; /* they keep slot and index entry for the next time */
	struct cds_list_head watches;
};

struct accel_publisher {
	pthread_mutex_t lock; /* free ones, buckets, owners, the index, the hands */
	struct coax_hash_key key;
	struct accel_pair *pairs; /* as many as slots */
	uint32_t count;
	struct cds_list_head free;
	struct cds_list_head errors; /* published last comes first */
	uint32_t error_count;
	uint32_t *buckets;
	uint32_t bucket_mask;
	uint64_t *filter; /* by hash: mark of what is published; read without a lock */
	uint32_t filter_mask;
	uint32_t seek; /* where the search for withdrawn pairs goes on */
	uint32_t hand; /* of the clock that evicts */
};

/* Why the program may not answer on an interface, though it could be attached. */
enum accel_obstacle {
	ACCEL_OBSTACLE_NONE,
	ACCEL_OBSTACLE_MASTER,	/* its frames are a bond's, or of the like */
	ACCEL_OBSTACLE_TAGS,	/* it has VLAN devices, and frames may have lost their tags */
	ACCEL_OBSTACLE_FILTER,	/* a port of a bridge that has VLANs */
	ACCEL_OBSTACLE_BLOCKED, /* a port of a bridge that takes nothing from it now */
};

struct accel_place {
	enum accel_obstacle obstacle;
	char other[IF_NAMESIZE]; /* the master, or the VLAN device, that is in the way */
	char other_kind[16];
	uint8_t mac[6]; /* whose frames are the host's */
	bool has_vlans;
	struct coax_place program; /* what the program knows of it */
};

/* Under the publisher's lock, but for `first`. */
struct accel_ageing {
	struct coax_timers timers; /* of pairs; they do not fire */
	uint64_t first;		   /* when the first one is due; read without a lock */
	const struct coax_accel_calls *calls;
	void *arg;
};

struct accel_interface {
	char name[IF_NAMESIZE];
	uint32_t ifindex; /* 0: not attached */
	/* With which attaching has failed: not tried again until one of them is another. */
	uint32_t refused; /* an ifindex */
	uint32_t refused_mtu;
	bool refused_taken;
	enum coax_rung rung;
	struct coax_bpf *program;
	struct xdp_program *dispatched; /* rung 1 */
	struct coax_link_state *link;
	int link_fd; /* of the pinned link that attaches it; -1: something else does */
	bool off;    /* detached on request: not attached until that is taken back */
	struct accel_place place;
	enum accel_obstacle said; /* what is in the way has been logged */
};

struct accel_bound {
	union coax_address address;
	uint32_t service;
};

struct accel_endpoint {
	struct coax_endpoint_key key;
	struct coax_endpoint_value value;
};

struct coax_accel {
	struct coax_logger logger;
	char instance[COAX_ACCEL_INSTANCE_MAX + 1];
	char directory[128];
	int root_fd;		   /* that it is in */
	int directory_fd;	   /* locked while the instance is ours */
	char generation[32];	   /* the directory in it that has our maps */
	bool succeeds;		   /* a living owner has the instance still, and hands it over */
	bool handed_over;	   /* to another owner: nothing is taken off the interfaces */
	struct coax_config former; /* that owner's, zeros if it is of another layout */
	uint32_t former_id;
	bool generic;
	bool route_replies;
	uint32_t lease_ms;
	uint32_t owner; /* our number among those that had the maps */

	struct coax_bpf *shared; /* its maps are everybody's */
	struct coax_config *config;
	size_t config_size;
	struct coax_slot *slots;
	size_t slots_size;
	uint32_t slot_count;
	struct coax_limit *limits;
	size_t limits_size;
	struct coax_nearby *nearby;
	struct coax_exchange_record *exchanges;
	size_t exchanges_size;
	uint32_t exchange_count;
	uint32_t session_count; /* room for so many */
	pthread_mutex_t sessions_lock;
	struct coax_secret secret;
	int index_fd;
	int endpoints_fd;
	int verified_fd;
	int prefixes_fd;
	int sessions_fd;

	/*
	 * They come and go on a worker's thread, which does not wait for the lock, and on request
	 * on others, which do: attaching takes the verifier some of it.
	 */
	pthread_mutex_t interfaces_lock;
	bool behind; /* the host has changed; whoever has the lock, or gets it, follows */
	struct accel_interface interfaces[COAX_ATTACHMENTS_MAX];
	size_t interface_count;

	struct accel_bound *bound;
	size_t bound_count;
	struct accel_endpoint *endpoints; /* in the map, sorted */
	size_t endpoint_count;
	int netlink;

	struct accel_publisher publisher;
	struct accel_ageing ageing;
};

/* How a reply ages. */
struct accel_freshness {
	uint64_t deadline;
	uint16_t max_age_at; /* in the bytes after the token, where zeros are */
	uint8_t max_age_length;
};

/*
 * slot.c: writers of one slot exclude each other by its owner's lock. `freshness` with a deadline
 * of COAX_NEVER and no Max-Age: until it is withdrawn.
 */
void accel_slot_write(struct coax_slot *slot, uint8_t key_code, const void *key, size_t key_length,
		      uint8_t reply_code, const void *reply, size_t reply_length,
		      const struct accel_freshness *freshness);
void accel_slot_withdraw(struct coax_slot *slot);
bool accel_slot_is_withdrawn(const struct coax_slot *slot);
/* What a killed writer may have left odd becomes even. */
void accel_slot_reset(struct coax_slot *slot);
uint64_t accel_now(void);
/* RFC 1071, of words as they lie in memory; an odd last byte is padded. */
uint16_t accel_sum(const void *data, size_t length);

/* secret.c: take over the one of who had the maps before, or make one. */
int accel_secret_init(struct coax_accel *accel);

/* exchanges.c */
/* Who had the maps before is gone: nobody handles any more what it held. */
void accel_exchanges_inherit(struct coax_accel *accel);

/* publish.c */
int accel_publisher_init(struct coax_accel *accel);
void accel_publisher_destroy(struct coax_accel *accel);
/* Give a pair back. The caller holds the owner's lock. */
void accel_pair_release(struct accel_pair *pair);
/* The same, holding the keeper's lock too. */
void accel_pair_drop(struct accel_pair *pair);

/* evict.c: all with the keeper's lock held. */
/*
 * Give the pair back, whoever owns it: without the owner's lock unless the caller has it, being
 * `held`. Returns whether it could.
 */
bool accel_pair_take_away(struct accel_pair *pair, const struct coax_subject *held);
/*
 * See to it that there is a free pair for `subject`, whose lock is held too; `is_error`: for one of
 * the replies that are bounded apart. Returns whether there is.
 */
bool accel_make_room(struct accel_publisher *p, struct coax_subject *subject, bool is_error);

/* freshness.c */
/* The deadline in the program's terms, and back. */
uint64_t accel_fresh_deadline(uint64_t until);
uint64_t accel_fresh_until(uint64_t deadline);
/*
 * Make the reply of a response that is fresh until then: *freshness, and in `reply` (as long as the
 * rest of the response) its bytes with zeros for Max-Age. Returns whether it can be published.
 */
bool accel_fresh_prepare(struct accel_freshness *freshness, const struct coax_message *response,
			 uint64_t until, uint8_t *reply);

/* ageing.c */
int accel_ageing_init(struct coax_accel *accel);
void accel_ageing_destroy(struct coax_accel *accel);
/* What is published in `pair` ages from now on. The caller holds the owner's lock. */
void accel_ageing_start(struct accel_pair *pair, uint64_t deadline);
/* It does not. The caller holds the keeper's lock. */
void accel_ageing_stop(struct accel_pair *pair);

/* follow.c: let go of interfaces_lock. */
void accel_interfaces_unlock(struct coax_accel *accel);

/* pins.c */
bool accel_is_map_name(const char *map);
/* Make and lock the instance's directory. `lock`: one that was handed over by its owner, 0: none.
 */
int accel_pins_lock(struct coax_accel *accel, int lock);
void accel_pins_remove(const struct coax_accel *accel);
/* Of the maps that never came into force. */
void accel_pins_withdraw(const struct coax_accel *accel);
/*
 * The pinned config map's id (0: there is none), and a copy of what is in it (zeros if that is of
 * another layout).
 */
uint32_t accel_pins_former(const struct coax_accel *accel, struct coax_config *former);
/* What is still attached and reads that map answers nothing from now on. */
void accel_pins_revoke(const struct coax_accel *accel, struct coax_config *former);
/* Use the pinned maps for `object` if all fit, else remove them. Returns whether they did. */
bool accel_pins_reuse(struct coax_accel *accel, struct bpf_object *object);
/* Beside the maps of a living owner: use those of them that go on. */
void accel_pins_carry(const struct coax_accel *accel, struct bpf_object *object);
int accel_pins_create(struct coax_accel *accel, struct bpf_object *object);
/* What was created comes into force, and what was in force before goes. */
int accel_pins_publish(const struct coax_accel *accel);

/* link.c: a program that is alone on an interface is attached by a link, which is pinned. */
#define ACCEL_LINK_PREFIX "link-"
int accel_bpf_link_attach(const struct coax_accel *accel, struct accel_interface *interface,
			  uint32_t ifindex, uint32_t mode);
/* The former owner's link on that interface. An fd, or -ENOENT. */
int accel_bpf_link_find(const struct coax_accel *accel, uint32_t ifindex);
/* Take the program off by its link, if both are ours still. */
void accel_bpf_link_close(const struct coax_accel *accel, struct accel_interface *interface);
/* Take off what is pinned, but for what is ours. */
void accel_bpf_links_clear(const struct coax_accel *accel);

/* succeed.c: take over from a living owner. */
/* Load the program for an interface where the former owner's can be exchanged. */
int accel_succeed_prepare(struct coax_accel *accel, struct accel_interface *interface,
			  const struct accel_link *link);
/* Put ours in the place of the former owner's. -ENOENT: attach it as usual. */
int accel_succeed_attach(struct coax_accel *accel, struct accel_interface *interface,
			 const struct accel_link *link);
/* Names lead to our maps now; what the former owner had elsewhere goes. */
int accel_succeed_finish(struct coax_accel *accel);

/* load.c */
/* A program of its own over the shared maps, not loaded yet. */
int accel_program_open(const struct coax_accel *accel, struct coax_bpf **program);

/* privileges.c: for this thread, until it is lowered. */
struct accel_privileges {
	void *state;
};

void accel_privileges_raise(struct accel_privileges *former);
void accel_privileges_lower(struct accel_privileges *former);
/* Whether this thread has CAP_SYS_ADMIN. */
bool accel_privileges_are_full(void);

/* attach.c */
/* Load its program, for use without a dispatcher. */
int accel_interface_load(struct accel_interface *interface);
/* Whether what runs on the interface is a dispatcher. */
bool accel_runs_dispatcher(uint32_t ifindex);
/* Attach, and tell the program its link. Says through the logger why not. */
int accel_interface_attach(struct coax_accel *accel, struct accel_interface *interface,
			   const struct accel_link *link);
void accel_interface_update(struct accel_interface *interface, const struct accel_link *link);
/* Forget the program, that it answers nothing more; with `detach`, take it off the interface. */
void accel_interface_close(struct coax_accel *accel, struct accel_interface *interface,
			   bool detach);

/* follow.c: attach to what is there and is not attached to; endpoints are this host's addresses. */
void accel_follow(struct coax_accel *accel);

/* leftover.c: take off what killed processes left. `former_id` names our instance's config map. */
void accel_leftovers_detach(const struct coax_accel *accel, uint32_t ifindex, uint32_t former_id);
/* And what the process left that was to succeed us. */
void accel_successor_detach(const struct coax_accel *accel, uint32_t ifindex, uint32_t pid);

/* netlink.c */
struct accel_link {
	uint32_t ifindex;
	char name[IF_NAMESIZE];
	char kind[16]; /* "veth", "vlan", ...: rtnetlink's word for it; "": hardware */
	bool ethernet;
	bool up;
	uint8_t mac[6];
	uint32_t mtu;
	bool taken;	 /* an XDP program is attached */
	uint32_t master; /* the bridge, bond, ... that it belongs to; 0: none */
	bool bridge_port;
	bool blocked; /* a port of a bridge that forwards nothing from it now */
	/* a VLAN device: what it lies on, and its tag */
	uint32_t lower;
	uint16_t vlan;
	bool service_vlan;   /* IEEE 802.1ad */
	bool filters_vlans;  /* a bridge */
	bool takes_tags_off; /* VLAN tags; known only when there are VLAN devices */
};

struct accel_local {
	uint32_t ifindex;
	uint8_t address[16]; /* IPv4 mapped */
};

/* The host's links, and the unicast addresses that it answers for, as of now. */
struct accel_snapshot {
	struct accel_link *links;
	size_t link_count;
	struct accel_local *locals;
	size_t local_count;
};

int accel_netlink_listen(void);
/* Empty the socket. Whether there was something, or something was lost. */
bool accel_netlink_drain(int fd);
int accel_snapshot_take(struct accel_snapshot *snapshot);
void accel_snapshot_free(struct accel_snapshot *snapshot);
const struct accel_link *accel_snapshot_link(const struct accel_snapshot *snapshot,
					     uint32_t ifindex);
const struct accel_link *accel_snapshot_named(const struct accel_snapshot *snapshot,
					      const char *name);
bool accel_link_is(const struct accel_link *link, const char *kind);

/* place.c */
void accel_place_find(const struct accel_snapshot *snapshot, const struct accel_link *link,
		      struct accel_place *place);
/* The obstacle in words. */
void accel_place_explain(const struct accel_place *place, const struct accel_link *link, char *text,
			 size_t size);

/* endpoints.c: make the map say what is bound and local now. NULL: nothing is. */
void accel_endpoints_sync(struct coax_accel *accel, const struct accel_snapshot *snapshot);

/* nearby.c: the same for accel->endpoints as they are now. */
void accel_nearby_sync(struct coax_accel *accel);

/* libraries.c: libbpf's and libxdp's lines go there at DEBUG, on this thread, until NULL. */
void accel_libraries_log_to(const struct coax_logger *logger);
/* What the kernel last said of a netlink request of theirs, since log_to(): "" for nothing. */
const char *accel_libraries_complaint(void);

#endif
