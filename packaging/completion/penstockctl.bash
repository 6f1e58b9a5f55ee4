# Made by `penstockctl completion bash` from its table of verbs.
_penstockctl() {
	local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} verb= i
	for ((i = 1; i < COMP_CWORD; i++)); do
		case ${COMP_WORDS[i]} in
		--run-dir) ((i++)) ;;
		-*) ;;
		*) verb=${COMP_WORDS[i]}; break ;;
		esac
	done
	case $prev in
	--run-dir|--root) COMPREPLY=($(compgen -d -- "$cur")); return ;;
	-c) COMPREPLY=($(compgen -f -- "$cur")); return ;;
	--sort) COMPREPLY=($(compgen -W 'rate age attempts' -- "$cur")); return ;;
	--for|--reason|--limit|-o) return ;;
	esac
	case $verb in
	'') COMPREPLY=($(compgen -W '--run-dir --help status top explain sources fleet history watch drain resume mode reload support check completion version help' -- "$cur")) ;;
	status) COMPREPLY=($(compgen -W ' --json --exit-code --help' -- "$cur")) ;;
	top) COMPREPLY=($(compgen -W ' --help' -- "$cur")) ;;
	explain) COMPREPLY=($(compgen -W ' --json --help' -- "$cur")) ;;
	sources) COMPREPLY=($(compgen -W ' --json --sort --limit --help' -- "$cur")) ;;
	fleet) COMPREPLY=($(compgen -W ' --json --help' -- "$cur")) ;;
	history) COMPREPLY=($(compgen -W ' --json --since --until -c -o --help' -- "$cur")) ;;
	watch) COMPREPLY=($(compgen -W ' --json --help' -- "$cur")) ;;
	drain) COMPREPLY=($(compgen -W ' --until --for --reason --help' -- "$cur")) ;;
	resume) COMPREPLY=($(compgen -W ' --help' -- "$cur")) ;;
	mode) COMPREPLY=($(compgen -W 'observe enforce --help' -- "$cur")) ;;
	reload) COMPREPLY=($(compgen -W ' --help' -- "$cur")) ;;
	support) COMPREPLY=($(compgen -W ' --json -c -o --help' -- "$cur")) ;;
	check) COMPREPLY=($(compgen -W ' --json --root -c -o --help' -- "$cur")) ;;
	completion) COMPREPLY=($(compgen -W 'bash zsh fish --help' -- "$cur")) ;;
	version) COMPREPLY=($(compgen -W ' --json --help' -- "$cur")) ;;
	help) COMPREPLY=($(compgen -W 'status top explain sources fleet history watch drain resume mode reload support check completion version help  --help' -- "$cur")) ;;
	esac
}
complete -F _penstockctl penstockctl
