# Two commands do everything on a fresh machine: `make demo` and `make test`.
PYTHON     ?= python3.11
VENV       := .venv
BIN        := $(VENV)/bin
STAMP      := $(VENV)/.installed
SPARK      := $(VENV)/.spark
AIM        := $(VENV)/.aim
PROFILE    ?= tiny
SEED       ?= 1
DEMO_HOME  ?= .demo/$(PROFILE)
WHEELHOUSE ?= .wheelhouse
BROWSER    := chromium:chromium chromium-driver:chromedriver
SOAK_SECONDS ?= 600
SOAK_LABS ?= 20

# With WHEELHOUSE_ONLY=1 nothing is asked of the network.
ifdef WHEELHOUSE_ONLY
PIP_FROM := --no-index --find-links $(WHEELHOUSE)
endif

.DEFAULT_GOAL := help
.PHONY: help demo lab spark aim test test-full quick slow attack soak lint bench audit-dp wheelhouse lock clean system

help: ## この一覧 / this list
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

$(STAMP): requirements.lock pyproject.toml
	@command -v $(PYTHON) >/dev/null || { echo "Python 3.11 が必要です / Python 3.11 is needed: make PYTHON=/path/to/python3.11" >&2; exit 14; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes $(PIP_FROM) -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --no-index -e .
	touch $@

system: ## Debian の部品（bubblewrap、書体）を確かめる / Debian packages of the demo and the quick tests
	@tools/debian-packages bubblewrap:bwrap fonts-noto-cjk:

# pyspark comes as its source, which the wheels of the other lock leave no room for.
$(SPARK): requirements-spark.lock $(STAMP)
	@tools/debian-packages default-jre-headless:java
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --require-hashes $(PIP_FROM) -r requirements-spark.lock
	touch $@

spark: $(SPARK) ## 大きな表を Spark で数える / Spark, for tables that outgrow one machine

$(AIM): requirements-aim.lock $(STAMP)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes $(PIP_FROM) -r requirements-aim.lock
	touch $@

aim: $(AIM) ## AIM による合成の部品 / what AIM, a synthesiser, needs

demo: $(STAMP) system ## 主な仕事を通しで実演 / the whole journey on the synthetic city
	$(BIN)/workbench demo --profile $(PROFILE) --seed $(SEED) --home $(DEMO_HOME)

lab: $(STAMP) system ## 実演のカタログで JupyterLab を開く / JupyterLab with the sandboxed kernel
	@test -e $(DEMO_HOME)/home.json || $(MAKE) demo
	$(BIN)/workbench lab start --home $(DEMO_HOME)

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

quick: $(STAMP) system
	$(BIN)/python -m pytest -m "not slow" -n 2 --dist loadfile

slow: $(SPARK) $(AIM) system
	@tools/debian-packages postgresql: $(BROWSER)
	$(BIN)/python -m pytest -m slow

test: lint quick ## 検査（20 分以内） / the checks, within 20 minutes

test-full: slow ## 長い検査 / the second tier: kills, large cities, installing without network

attack: $(STAMP) system ## 禁じられた行為をすべて試す / every forbidden act, tried for real
	@tools/debian-packages $(BROWSER)
	$(BIN)/python -m pytest -m attack

soak: $(STAMP) system ## 20 人分の部屋を 10 分間、でたらめに止める / twenty labs, killed at random for ten minutes
	SOAK_SECONDS=$(SOAK_SECONDS) SOAK_LABS=$(SOAK_LABS) $(BIN)/python -m pytest tests/lab/test_soak.py -m "slow or not slow" -s --timeout=3600

bench: $(STAMP) $(AIM) system ## 速さを比で測る / speed, as ratios measured in one run
	$(BIN)/python -m pytest tests/privacy/test_anonymity_arx_answers.py -q
	$(BIN)/python -m pytest bench --override-ini testpaths=bench -s -q

audit-dp: $(STAMP) ## 差分プライバシーの長い監査（約1時間） / the long audit of differential privacy, about an hour
	$(BIN)/workbench data audit-dp --outputs 2000000
	AUDIT_DP_LONG=1 $(BIN)/python -m pytest tests/dp/audit -m "slow or not slow" -q --timeout=7200

wheelhouse: $(STAMP) ## ネットワークなしで入れるための車輪一式 / wheels with hashes for installing offline
	mkdir -p $(WHEELHOUSE)
	$(BIN)/python -m pip download --quiet --disable-pip-version-check --no-deps --require-hashes --only-binary :all: -d $(WHEELHOUSE) -r requirements.lock
	cp requirements.lock $(WHEELHOUSE)/
	$(BIN)/python -m pip wheel --quiet --disable-pip-version-check --no-deps --no-build-isolation --no-index -w $(WHEELHOUSE) .
	cd $(WHEELHOUSE) && sha256sum *.whl requirements.lock > SHA256SUMS

# The lock leaves torch out: SDV works without it, and only the neural synthesisers need it.
lock:
	uv pip compile pyproject.toml --extra coordinator --extra lab --extra synthesis --extra team --extra dev \
	  --override requirements.overrides --generate-hashes --only-binary :all: --no-header \
	  --python-version 3.11 --python-platform x86_64-manylinux_2_28 -o requirements.lock
	uv pip compile pyproject.toml --extra spark --constraint requirements.lock \
	  --generate-hashes --only-binary :all: --no-binary pyspark --no-header \
	  --python-version 3.11 --python-platform x86_64-manylinux_2_28 -o requirements-spark.lock
	uv pip compile pyproject.toml --extra aim --constraint requirements.lock \
	  --generate-hashes --only-binary :all: --no-header \
	  --python-version 3.11 --python-platform x86_64-manylinux_2_28 -o requirements-aim.lock

clean: ## 作ったものを消す / remove what was made
	rm -rf $(VENV) .demo $(WHEELHOUSE) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
