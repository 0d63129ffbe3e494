// SPDX-License-Identifier: BSD-2-Clause
#include "codec/text.h"
#include "credentials/wildcard.h"

static char character(const struct coax_wildcard_text *text, size_t at)
{
	if (at < text->pieces[0].length)
		return lower(text->pieces[0].at[at]);
	at -= text->pieces[0].length;
	if (at < text->pieces[1].length)
		return text->pieces[1].at[at];
	return text->pieces[2].at[at - text->pieces[1].length];
}

/*
 * After a '*' the rest is tried at each place from the first on. Where it fails, only the last '*'
 * met can help: what is before it has been found at its first place, and no later one is better.
 */
bool coax_wildcard_fits(const char *pattern, size_t length, const struct coax_wildcard_text *text)
{
	size_t end = text->pieces[0].length + text->pieces[1].length + text->pieces[2].length;
	size_t after_star = 0, retry = 0;
	size_t at = 0, p = 0;
	bool star = false;

	while (at < end) {
		if (p < length && pattern[p] == '*') {
			star = true;
			after_star = ++p;
			retry = at;
		} else if (p < length && pattern[p] == character(text, at)) {
			p++;
			at++;
		} else if (star) {
			p = after_star;
			at = ++retry;
		} else {
			return false;
		}
	}
	while (p < length && pattern[p] == '*')
		p++;
	return p == length;
}
