# shellcheck shell=bash
# Sourced by the scripts of deploy/, compat/kubernetes and .ci: finds helm, kubeconform and other tools, or builds them as Go modules.

tools_bin=${XDG_CACHE_HOME:-$HOME/.cache}/registry-kubernetes/bin
export PATH=$tools_bin:$PATH

# again COMMAND ...: a second and a third time where it fails: what comes from the network may fail once.
again() {
  local pause
  for pause in 3 15; do
    if "$@"; then return; fi
    echo "failed, and is tried again in $pause s: $*" >&2
    sleep "$pause"
  done
  "$@"
}

go_tool() { # NAME MODULE@VERSION
  command -v "$1" >/dev/null && return
  command -v go >/dev/null || { echo "$1 is not here, and no Go to build it" >&2; return 1; }
  echo "building $1 as a Go module" >&2
  mkdir -p "$tools_bin"
  GOBIN=$tools_bin CGO_ENABLED=0 again go install "$2" >&2
}

need_helm() { go_tool helm helm.sh/helm/v3/cmd/helm@v3.22.0; }
need_kubeconform() { go_tool kubeconform github.com/yannh/kubeconform/cmd/kubeconform@v0.8.0; }
need_crane() { go_tool crane github.com/google/go-containerregistry/cmd/crane@v0.22.1; }
need_cosign() { go_tool cosign github.com/sigstore/cosign/v2/cmd/cosign@v2.6.5; }
