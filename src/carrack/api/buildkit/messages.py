"""The messages of BuildKit's services, as tables (see carrack.http.protobuf). Field names are the protocol's.

Source: the protocol definitions of BuildKit (control, gateway, filesync, auth, secrets, sshforward), fsutil and
containerd (content).
"""

from __future__ import annotations

from carrack.http import grpc
from carrack.http.protobuf import Table, table

EMPTY: Table = {}
BYTES = table(data=(1, "bytes"))
TIME = table(seconds=(1, "int"), nanos=(2, "int"))
PLATFORM = table(
    Architecture=(1, "text"), OS=(2, "text"), Variant=(3, "text"), OSVersion=(4, "text"), OSFeatures=(5, "text", "list")
)
ENTRY = table(Type=(1, "text"), Attrs=(2, "text", "map"))
#: ``metadata`` by the digests of operations; clients take a definition without any for none
DEFINITION = table(definition=(1, "bytes", "list"), metadata=(2, EMPTY, "map"))

CONSTRAINT = table(key=(1, "text"), value=(2, "text"), condition=(3, "int"))
SELECTOR = table(identifier=(1, "text"), match_type=(2, "int"), constraints=(3, CONSTRAINT, "list"))
RULE = table(
    action=(1, "int"), selector=(2, SELECTOR), updates=(3, table(identifier=(1, "text"), attrs=(2, "text", "map")))
)  # fmt: skip
POLICY = table(version=(1, "int"), rules=(2, RULE, "list"))

SOLVE = table(
    Ref=(1, "text"),
    Definition=(2, DEFINITION),
    Exporter=(3, "text"),
    ExporterAttrs=(4, "text", "map"),
    Session=(5, "text"),
    Frontend=(6, "text"),
    FrontendAttrs=(7, "text", "map"),
    Cache=(8, table(Exports=(4, ENTRY, "list"), Imports=(5, ENTRY, "list"))),
    Entitlements=(9, "text", "list"),
    FrontendInputs=(10, DEFINITION, "map"),
    Internal=(11, "bool"),
    SourcePolicy=(12, POLICY),
    Exporters=(13, ENTRY, "list"),
    EnableSessionExporter=(14, "bool"),
)
SOLVED = table(ExporterResponse=(1, "text", "map"))

STATUS = table(Ref=(1, "text"))
VERTEX = table(
    digest=(1, "text"), inputs=(2, "text", "list"), name=(3, "text"), cached=(4, "bool"), started=(5, TIME),
    completed=(6, TIME), error=(7, "text"),
)  # fmt: skip
VERTEX_STATUS = table(
    ID=(1, "text"), vertex=(2, "text"), name=(3, "text"), current=(4, "int"), total=(5, "int"), timestamp=(6, TIME),
    started=(7, TIME), completed=(8, TIME),
)  # fmt: skip
VERTEX_LOG = table(vertex=(1, "text"), timestamp=(2, TIME), stream=(3, "int"), msg=(4, "bytes"))
SOURCE = table(filename=(1, "text"), data=(2, "bytes"), language=(4, "text"))
POSITION = table(line=(1, "int"), character=(2, "int"))
RANGE = table(start=(1, POSITION), end=(2, POSITION))
VERTEX_WARNING = table(
    vertex=(1, "text"), level=(2, "int"), short=(3, "bytes"), detail=(4, "bytes", "list"), url=(5, "text"),
    info=(6, SOURCE), ranges=(7, RANGE, "list"),
)  # fmt: skip
STATUSES = table(
    vertexes=(1, VERTEX, "list"), statuses=(2, VERTEX_STATUS, "list"), logs=(3, VERTEX_LOG, "list"),
    warnings=(4, VERTEX_WARNING, "list"),
)  # fmt: skip

VERSION = table(package=(1, "text"), version=(2, "text"), revision=(3, "text"))
GC_POLICY = table(
    all=(1, "bool"), keepDuration=(2, "int"), reservedSpace=(3, "int"), filters=(4, "text", "list"),
    maxUsedSpace=(5, "int"), minFreeSpace=(6, "int"),
)  # fmt: skip
WORKER = table(
    ID=(1, "text"), Labels=(2, "text", "map"), platforms=(3, PLATFORM, "list"), GCPolicy=(4, GC_POLICY, "list"),
    BuildkitVersion=(5, VERSION),
)  # fmt: skip
WORKERS = table(record=(1, WORKER, "list"))
INFO = table(buildkitVersion=(1, VERSION))
USAGE = table(
    ID=(1, "text"), Mutable=(2, "bool"), InUse=(3, "bool"), Size=(4, "int"), CreatedAt=(6, TIME), LastUsedAt=(7, TIME),
    UsageCount=(8, "int"), Description=(9, "text"), RecordType=(10, "text"), Shared=(11, "bool"),
    Parents=(12, "text", "list"),
)  # fmt: skip
DISK_USAGE_REQUEST = table(filter=(1, "text", "list"))
DISK_USAGE = table(record=(1, USAGE, "list"))
PRUNE = table(
    filter=(1, "text", "list"), all=(2, "bool"), keepDuration=(3, "int"), reservedSpace=(4, "int"),
    maxUsedSpace=(5, "int"), minFreeSpace=(6, "int"),
)  # fmt: skip

DESCRIPTOR = table(
    media_type=(1, "text"), digest=(2, "text"), size=(3, "int"), annotations=(5, "text", "map")
)  # fmt: skip
RESULT_INFO = table(
    ResultDeprecated=(1, DESCRIPTOR), Attestations=(2, DESCRIPTOR, "list"),
    Results=(3, table(key=(1, "int"), value=(2, DESCRIPTOR)), "list"),
)  # fmt: skip
HISTORY_REQUEST = table(
    ActiveOnly=(1, "bool"), Ref=(2, "text"), EarlyExit=(3, "bool"), Filter=(4, "text", "list"), Limit=(5, "int")
)  # fmt: skip
HISTORY_UPDATE = table(Ref=(1, "text"), Pinned=(2, "bool"), Delete=(3, "bool"), Finalize=(4, "bool"))
HISTORY_RECORD = table(
    Ref=(1, "text"), Frontend=(2, "text"), FrontendAttrs=(3, "text", "map"), Exporters=(4, ENTRY, "list"),
    error=(5, table(code=(1, "int"), message=(2, "text"))), CreatedAt=(6, TIME), CompletedAt=(7, TIME),
    logs=(8, DESCRIPTOR), ExporterResponse=(9, "text", "map"), Result=(10, RESULT_INFO),
    Results=(11, RESULT_INFO, "map"), Generation=(12, "int"), pinned=(14, "bool"), numCachedSteps=(15, "int"),
    numTotalSteps=(16, "int"), numCompletedSteps=(17, "int"), externalError=(18, DESCRIPTOR), numWarnings=(19, "int"),
)  # fmt: skip
HISTORY_EVENT = table(type=(1, "int"), record=(2, HISTORY_RECORD))

REF = table(id=(1, "text"), definition=(2, DEFINITION))
RESULT = table(ref=(3, REF), refs=(4, table(refs=(1, REF, "map"))), metadata=(10, "bytes", "map"))
RETURN = table(result=(1, RESULT), error=(2, grpc.STATUS))
BRIDGE_SOLVE = table(
    Definition=(1, DEFINITION), Frontend=(2, "text"), FrontendOpt=(3, "text", "map"), CacheImports=(12, ENTRY, "list"),
    FrontendInputs=(13, DEFINITION, "map"), Evaluate=(14, "bool"),
)  # fmt: skip
EVALUATE = table(Ref=(1, "text"))
BRIDGE_SOLVED = table(result=(3, RESULT))
CAPABILITY = table(ID=(1, "text"), Enabled=(2, "bool"), Deprecated=(3, "bool"))
PONG = table(FrontendAPICaps=(1, CAPABILITY, "list"), LLBCaps=(2, CAPABILITY, "list"), Workers=(3, WORKER, "list"))

STAT_FIELDS = table(
    path=(1, "text"), mode=(2, "int"), uid=(3, "int"), gid=(4, "int"), size=(5, "int"), mod_time=(6, "int"),
    linkname=(7, "text"), devmajor=(8, "int"), devminor=(9, "int"), xattrs=(10, "bytes", "map"),
)  # fmt: skip
PACKET = table(type=(1, "int"), stat=(2, STAT_FIELDS), ID=(3, "int"), data=(4, "bytes"))
#: the same with the stat as it came
RAW_PACKET = table(type=(1, "int"), stat=(2, "bytes"), ID=(3, "int"), data=(4, "bytes"))

CONTENT_INFO = table(digest=(1, "text"), size=(2, "int"))
CONTENT_INFO_REQUEST = table(digest=(1, "text"))
CONTENT_INFO_RESPONSE = table(info=(1, CONTENT_INFO))
CONTENT_READ_REQUEST = table(digest=(1, "text"), offset=(2, "int"), size=(3, "int"))
CONTENT_READ_RESPONSE = table(offset=(1, "int"), data=(2, "bytes"))
CONTENT_WRITE_REQUEST = table(
    action=(1, "int"), ref=(2, "text"), total=(3, "int"), expected=(4, "text"), offset=(5, "int"), data=(6, "bytes")
)
CONTENT_WRITE_RESPONSE = table(action=(1, "int"), offset=(4, "int"), total=(5, "int"), digest=(6, "text"))

SECRET_REQUEST = table(ID=(1, "text"), annotations=(2, "text", "map"))
CREDENTIALS_REQUEST = table(Host=(1, "text"))
CREDENTIALS = table(Username=(1, "text"), Secret=(2, "text"))
AGENT_REQUEST = table(ID=(1, "text"))
