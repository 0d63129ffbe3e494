/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * CoRE link-format (RFC 6690): reading, writing, filtering. Nothing here allocates or keeps
 * state; links point into the document that they were read from. Any thread.
 */
#ifndef COAX_LINK_H
#define COAX_LINK_H

#include <stdbool.h>
#include <stddef.h>

/* A piece of text that belongs to somebody else. */
struct coax_text {
	const char *at;
	size_t length;
};

/* One link of a document: its target, and where its attributes are. */
struct coax_link {
	struct coax_text target;     /* between < and > */
	struct coax_text attributes; /* ";rt=\"a b\";obs": everything behind the > */
};

struct coax_link_attribute {
	struct coax_text name;
	struct coax_text value; /* no quotes, but with backslashes; at NULL: none given */
	bool quoted;
};

/**
 * coax_link_next - take the next link off a link-format document.
 *
 * *document is moved behind it. Returns 1 with *link set, 0 at the end, -EBADMSG where the document
 * breaks the grammar of RFC 6690 section 2.
 */
int coax_link_next(struct coax_text *document, struct coax_link *link);

/**
 * coax_link_attribute_next - the same for the attributes of one link: start with a copy of
 * link.attributes. Returns 1, 0 or -EBADMSG.
 */
int coax_link_attribute_next(struct coax_text *attributes, struct coax_link_attribute *attribute);

/**
 * coax_link_matches - whether a link passes one filter (RFC 6690 section 4.1): `filter` is
 * a Uri-Query argument "name=value", the value ending in '*' for a prefix. "href" is compared with
 * the target; rt, if, rel, rev and ct word by word; other attributes whole. "name=*" matches
 * each link that has the attribute. A filter without '=' matches each link that has the attribute;
 * an empty one, of "/.well-known/core?", every link.
 */
bool coax_link_matches(const struct coax_link *link, const void *filter, size_t length);

/*
 * Writes a document piece by piece; `length` goes on counting when `size` is used up. Start with
 * length 0; no terminating zero is written.
 */
struct coax_link_writer {
	char *text;
	size_t size;
	size_t length;
};

/**
 * coax_link_begin - start a link: "<target>", after a comma where one is due. Characters that no
 * URI has are percent-encoded.
 */
void coax_link_begin(struct coax_link_writer *writer, const char *target, size_t length);

/**
 * coax_link_add - ";name=\"value\"" with the quoting that RFC 6690 asks for; value NULL: ";name";
 * a value of digits only for ct and sz is written without quotes.
 */
void coax_link_add(struct coax_link_writer *writer, const char *name, const char *value);

#endif
