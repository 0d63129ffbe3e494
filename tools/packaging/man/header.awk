# SPDX-License-Identifier: BSD-2-Clause
#
# A man page from a public header, and nothing written twice:
#
#	awk -v date=2026-01-31 -v version=0.1.0 -f header.awk include/coax/block.h >coax_block.3
#	awk -v names=1 -f header.awk include/coax/block.h	# the functions that the page is about
#
# What it goes by: the first comment is about the header; a comment "name - text", or any other, stands right
# before the functions that it is about; all else is types and constants, shown as they stand.

function escaped(text) {
	gsub(/\\/, "\\e", text)
	gsub(/-/, "\\-", text)
	return text ~ /^[.']/ ? "\\&" text : text
}

function expanded(text,   at) {
	while (at = index(text, "\t"))
		text = substr(text, 1, at - 1) sprintf("%*s", 8 - (at - 1) % 8, "") substr(text, at + 1)
	return text
}

# Text, with `code` and functions() set apart. A line may end within a pair of backquotes.
function prose(text,   result, bold) {
	gsub(/\\/, "\\e", text)
	while (match(text, /`/)) {
		bold = !bold
		result = result substr(text, 1, RSTART - 1) (bold ? "\\fB" : "\\fP")
		text = substr(text, RSTART + 1)
	}
	text = result text (bold ? "\\fP" : "")
	result = ""
	while (match(text, /coax_[a-z0-9_]+\(\)/)) {
		result = result substr(text, 1, RSTART - 1) "\\fB" substr(text, RSTART, RLENGTH - 2) "\\fP()"
		text = substr(text, RSTART + RLENGTH)
	}
	text = result text
	return text ~ /^[.']/ ? "\\&" text : text
}

function literal_begin() {
	if (!literal)
		out = out ".PP\n.in +4n\n.EX\n"
	literal = 1
}

function literal_end() {
	if (literal)
		out = out ".EE\n.in\n"
	literal = 0
}

# Paragraphs of a comment's text; what is set in by a tab is an example.
function paragraphs(text,   lines, count, i, begin) {
	count = split(text, lines, "\n")
	out = ""
	begin = 1
	for (i = 1; i <= count; i++) {
		if (lines[i] ~ /^[ \t]*$/) {
			literal_end()
			begin = 1
		} else if (lines[i] ~ /^\t/) {
			literal_begin()
			out = out escaped(expanded(substr(lines[i], 2))) "\n"
		} else {
			literal_end()
			out = out (begin ? ".PP\n" : "") prose(lines[i]) "\n"
			begin = 0
		}
	}
	literal_end()
	return out
}

function verbatim(text,   lines, count, i) {
	out = ""
	literal_begin()
	count = split(text, lines, "\n")
	for (i = 1; i <= count; i++)
		out = out escaped(expanded(lines[i])) (i < count || lines[i] != "" ? "\n" : "")
	literal_end()
	return out
}

# The text of a comment, without its marks.
function uncommented(comment) {
	sub(/^\/\*+[ \t]*\n?/, "", comment)
	sub(/[ \t]*\n? ?\*\/$/, "", comment)
	gsub(/(^|\n) \* ?/, "\n", comment)
	sub(/^\n/, "", comment)
	return comment
}

# The names that a declaration is about, each with a comma before it.
function declared(code,   lines, count, i, result) {
	gsub(/\n[ \t]+/, " ", code)
	count = split(code, lines, "\n")
	for (i = 1; i <= count; i++)
		if (match(lines[i], /coax_[a-z0-9_]+\)?\(/)) {
			result = result ", " substr(lines[i], RSTART, RLENGTH - 1)
			sub(/\)$/, "", result)
		}
	return result
}

# Inline functions are shown as they are called.
function without_bodies(code,   lines, count, i, result, inside) {
	count = split(code, lines, "\n")
	for (i = 1; i <= count; i++) {
		if (lines[i] == "{")
			inside = sub(/\n$/, ";\n", result)
		if (!inside && lines[i] != "")
			result = result lines[i] "\n"
		if (lines[i] == "}")
			inside = 0
	}
	gsub(/static inline /, "", result)
	gsub(/__attribute__\(\((always_inline|format\([^)]*\))\)\)[ \n]?/, "", result)
	sub(/^void\n/, "void ", result)
	return result
}

function is_function(code) {
	return code !~ /^(struct|union|enum|#|static const)[^(]*(\n|$)/ && declared(code) != ""
}

function function_section(comment, code,   title, text) {
	text = uncommented(comment)
	code = without_bodies(code)
	title = substr(declared(code), 3)
	if (text ~ /^[a-z0-9_, ]+ - /) {
		sub(/^[a-z0-9_, ]+ - /, "", text)
		text = toupper(substr(text, 1, 1)) substr(text, 2)
	}
	functions = functions ".SS " title "\n" verbatim(code) paragraphs(text)
	all_names = all_names ", " title
}

# One comment with what follows it, up to an empty line outside of braces.
function chunk_done(   comment, code) {
	if (chunk ~ /^\/\*/) {
		comment = chunk
		sub(/\*\/\n.*$/, "*/", comment)
		code = substr(chunk, length(comment) + 2)
	} else
		code = chunk
	if (about == "" && comment != "")
		about = uncommented(comment)
	else if (chunk != "" && code == "")
		functions = functions paragraphs(uncommented(comment))
	else if (is_function(code))
		function_section(comment, code)
	else if (chunk != "")
		types = types verbatim(chunk)
	chunk = ""
}

FNR == 1 || /^#include / { next }
/^#(ifndef|define) COAX_[A-Z]+_H$/ { next }
/^$/ && !depth && chunk !~ /^\/\*[^\/]*$/ {
	if (pending != "")
		chunk = chunk pending "\n"
	pending = ""
	chunk_done()
	next
}
{
	line = $0
	depth += gsub(/{/, "{", line) - gsub(/}/, "}", line)
	if (pending != "")
		chunk = chunk pending "\n"
	pending = ""
	# The last #endif ends the header.
	if (/^#endif$/)
		pending = $0
	else
		chunk = chunk $0 "\n"
}

END {
	chunk_done()
	if (names) {
		gsub(/, /, "\n", all_names)
		print substr(all_names, 2)
		exit
	}
	header = FILENAME
	sub(/.*\//, "", header)
	page = "coax_" substr(header, 1, length(header) - 2)
	what = about
	gsub(/\n/, " ", what)
	sub(/[.:] .*|\.$/, "", what)
	if (all_names ~ "^, " page "(,|$)")
		sub(", " page, "", all_names)
	gsub(", " page ",", ",", all_names)

	printf ".TH %s 3 %s \"coax %s\" \"CoAP library\"\n", page, date, version
	printf ".SH NAME\n%s%s \\- %s\n", page, all_names, prose(what)
	printf ".SH SYNOPSIS\n.B #include <coax/%s>\n.PP\nLink with \\fIpkg\\-config \\-\\-libs libcoax\\fP.\n", header
	printf ".SH DESCRIPTION\n%s", paragraphs(about)
	if (types != "")
		printf ".SH TYPES AND CONSTANTS\n%s", types
	if (functions != "")
		printf ".SH FUNCTIONS\n%s", functions
	print ".SH SEE ALSO\n.BR libcoax (3)"
}
