# Completes commands and keys of eureka-registry in fish: put it into ~/.config/fish/completions. The keys are those that the installed
# binary has.
complete -c eureka-registry -f -n __fish_use_subcommand -a 'check-config migrate-check smoke-test health --help --version'
complete -c eureka-registry -f -n '__fish_seen_subcommand_from migrate-check' -a '--url= --config= --watch --with= --every= --grace= --for= --ca= --certificate= --certificate-private-key= --timeout= --format='
complete -c eureka-registry -f -a '(eureka-registry --help --all | string match -r -g "^  (--[a-z][a-z.-]*[a-z]=)")'
