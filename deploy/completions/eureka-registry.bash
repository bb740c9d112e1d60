# shellcheck shell=bash
# Completes commands, options and keys of eureka-registry in bash: put it into /usr/share/bash-completion/completions/eureka-registry, or
# source it. The keys are those that the installed binary has.
_eureka_registry() {
  local words='check-config migrate-check smoke-test health --help --version' current=${COMP_WORDS[COMP_CWORD]}
  case ${COMP_WORDS[1]-} in
    migrate-check) words='--url= --config= --watch --with= --every= --grace= --for= --ca= --certificate= --certificate-private-key= --timeout= --format=' ;;
    health) words='--url= --ca=' ;;
    smoke-test) words='--url= --ca= --certificate= --certificate-private-key=' ;;
  esac
  if [[ $current == --*.* || $current == --[a-z]* ]]; then
    words+=" $("${COMP_WORDS[0]}" --help --all 2>/dev/null | grep -oE '^  --[a-z][a-z.-]*[a-z]=' | tr -d ' ')"
  fi
  mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")
  if [[ ${COMPREPLY[0]-} == *= ]]; then compopt -o nospace 2>/dev/null; fi
}
complete -F _eureka_registry eureka-registry
