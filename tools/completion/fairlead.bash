# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# Completion of fairlead(8) for bash. The tool itself says what a word can become.

_fairlead()
{
	local line

	COMPREPLY=()
	while IFS= read -r line; do
		if [[ $line == $'\001files' ]]; then
			compopt -o filenames 2>/dev/null
			mapfile -t COMPREPLY < <(compgen -f -- "${COMP_WORDS[COMP_CWORD]}")
		else
			COMPREPLY+=("$line")
		fi
	done < <("${COMP_WORDS[0]}" __complete "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
}

complete -F _fairlead fairlead
