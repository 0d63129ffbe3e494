# SPDX-License-Identifier: BSD-2-Clause
#
# What programs say by --help, as a part of a man page, so that the two cannot differ:
#
#	coaxd --help >help && awk -f help.awk help
#	awk -v commands=coax -f help.awk help help-get help-put ...
#
# The first text gives SYNOPSIS, DESCRIPTION and the rest; each one behind it a subsection of COMMANDS. It
# goes by how the texts are set out: "Usage:", headings that end in a colon, terms with what is said of
# them in a column of its own, examples that begin with the program's name, paragraphs.

function escaped(text) {
	gsub(/\\/, "\\e", text)
	gsub(/-/, "\\-", text)
	return text ~ /^[.']/ ? "\\&" text : text
}

# Options bold, what stands for a value italic.
function term(text,   words, count, i, result) {
	count = split(text, words, " ")
	for (i = 1; i <= count; i++) {
		if (words[i] ~ /^-/)
			words[i] = "\\fB" escaped(words[i]) "\\fP"
		else if (words[i] ~ /^[A-Z'][A-Z0-9=:,\[\]\/.']*$/)
			words[i] = "\\fI" escaped(words[i]) "\\fP"
		else
			words[i] = escaped(words[i])
		result = result (i > 1 ? " " : "") words[i]
	}
	return result
}

function indent(text) {
	match(text, /^ */)
	return RLENGTH
}

# Where the column of what is said begins: where it does on most lines. 0: there is none.
function column(   i, at, best, seen) {
	for (i = 1; i <= lines; i++) {
		if (match(line[i], /[^ ]  +[^ ]/)) {
			at = RSTART + RLENGTH - 2
			if (++seen[at] > seen[best])
				best = at
		}
	}
	return best + 0
}

function terms(at,   i) {
	for (i = 1; i <= lines; i++) {
		if (indent(line[i]) >= at) {
			print escaped(substr(line[i], indent(line[i]) + 1))
		} else if (line[i] ~ /^[^ ]/ && substr(line[i], at - 1, 2) != "  ") {
			print ".PP"
			print escaped(line[i])
		} else if (substr(line[i], at, 1) == " " && length(line[i]) > at) {
			print ".TP"
			print term(substr(line[i], 1, at))
			print escaped(substr(line[i], at + 1))
		} else {
			print ".TP"
			print term(line[i])
		}
	}
}

function literal(from,   i) {
	print ".PP\n.in +4n\n.EX"
	for (i = from; i <= lines; i++)
		print escaped(substr(line[i], indent(line[from]) + 1))
	print ".EE\n.in"
}

function heading(text) {
	if (part == 1)
		print ".SH " toupper(text)
	else
		print ".PP\n.B " text
}

function paragraph(   i) {
	print ".PP"
	for (i = 1; i <= lines; i++)
		print escaped(line[i])
}

# The text of the block, and its heading off it: "Options:", or "Options, wherever they stand:".
function take_heading(   i, title, whole) {
	heading_rest = ""
	for (i = 1; i < lines && line[i] ~ /^[^ ]/; i++) {
		whole = whole (i > 1 ? "\n" : "") line[i]
		if (line[i] ~ /:$/ && line[i + 1] ~ /^ /)
			break
	}
	if (i >= lines || line[1] !~ /^[A-Z]/ || line[i] !~ /:$/)
		return ""
	title = line[1]
	sub(/[(,:].*/, "", title)
	sub(/ $/, "", title)
	if (whole != title ":")
		heading_rest = whole
	whole = i
	for (i = 1; i + whole <= lines; i++)
		line[i] = line[i + whole]
	lines -= whole
	return title
}

function all_indented(   i) {
	for (i = 1; i <= lines; i++)
		if (line[i] !~ /^ /)
			return 0
	return 1
}

function usage() {
	if (part == 1)
		print ".SH SYNOPSIS"
	sub(/^[Uu]sage:/, "      ", line[1])
	literal(1)
	if (part == 1)
		print ".SH DESCRIPTION"
}

# What stands between empty lines.
function block(   i, title, text, at) {
	for (i = 1; i <= lines; i++)
		text = text line[i] "\n"
	# What is true of all commands is said once.
	if (!lines || (text in said && line[1] ~ /:$/)) {
		lines = 0
		return
	}
	said[text] = 1
	if (tolower(line[1]) ~ /^usage:/) {
		usage()
		lines = 0
		return
	}
	title = take_heading()
	if (title == "" && part == 1 && line[1] ~ /^ +-/)
		title = "Options"
	if (title != "")
		heading(title)
	if (heading_rest != "")
		print escaped(heading_rest)
	at = column()
	if (title ~ /^Example/ || (!at && all_indented()))
		literal(1)
	else if (at && (line[1] ~ /^ / || indent(line[2]) == at))
		terms(at)
	else
		paragraph()
	lines = 0
}

FNR == 1 {
	block()
	part++
	if (part == 2)
		print ".SH EACH COMMAND"
	if (part > 1) {
		name = FILENAME
		sub(/.*help-/, "", name)
		print ".SS " commands " " name
	}
}
/^$/ { block(); next }
{ line[++lines] = $0 }
END { block() }
