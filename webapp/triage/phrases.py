"""The words of machines about mail, in the languages in which they speak. Pure.

Each line is an expression; any of them says it. Their own wording changes with every
release, so these are the parts that stay.
"""

# ruff: noqa: RUF001 - Turkish, Greek and Cyrillic words look as they look

from webapp.senders.phrases import any_of

#: How the subjects of automatic replies begin.
ROBOT_SUBJECTS = any_of(
    r"""
    auto(?:matic|mated|-)?[ -]?(?:reply|response|responder)
    auto(?:matische|matisk|-)?[ -]?(?:antwor[dt]e?|svar)
    auto(?:reply)? ?:
    out of (?:the )?office
    ooo ?:
    (?:i am |i'm )?(?:currently )?(?:out of|away from) (?:the |my )?(?:office|desk|mail)
    abwesenheit
    automatische antwort
    nicht im b[üu]ro
    (?:ich bin )?(?:nicht )?im urlaub\b
    r[ée]ponse automatique
    absen[ct]e? du bureau
    message d'absence
    (?:je suis )?(?:actuellement )?absent(?:e)? (?:du|jusq)
    respuesta autom[áa]tica
    fuera de (?:la )?oficina
    ausente
    ausencia ?:
    resposta autom[áàa]tica
    fora do escrit[óo]rio
    aus[êe]ncia tempor
    risposta automatica
    fuori (?:sede|ufficio)
    assente dall
    automatisch antwoord
    afwezig
    autosvar
    automatisk svar
    fr[åa]nvaro
    frav[æa]r
    ikke til stede
    poissaolo
    automaattinen vastaus
    automatyczna odp
    odpowied[źz] automatyczna
    nieobecno
    poza biurem
    automatick[áa] odpov
    mimo kancel
    automatikus v[áa]lasz
    h[áa]zon k[íi]v[üu]l
    r[ăa]spuns automat
    автоматическ\w+ ответ
    автоответ
    отсутствие на
    otomatik yan[ıi]t
    ofis d[ıi][şs][ıi]nda
    автоматична відповідь
    автоматичен отговор
    аутоматски одговор
    automatski odgovor
    samodejni odgovor
    automaatvastus
    automatinis atsakymas
    autom[āa]tisk[āa] atbilde
    balasan otomatis
    tr[ảa] l[ờo]i t[ựu] đ[ộo]ng
    ตอบกลับอัตโนมัติ
    תשובה אוטומטית
    رد تلقائي
    αυτόματη απάντηση
    自動応答
    自動返信
    不在(?:通知|の|です|连)
    自动(?:回复|答复)
    自動(?:回覆|答覆)
    자동 ?(?:회신|응답)
    부재 ?중
    """,
    before=r"\W{0,2}",
)


#: What subjects of automatic replies may hold, where more speaks for one.
ROBOT_HINTS = any_of(
    r"""
    on vacation
    on holiday
    on leave
    annual leave
    parental leave
    maternity
    away (?:until|from|till)
    urlaub
    ferien
    vacances
    vacaciones
    f[ée]rias
    vacanz
    vakantie
    semester
    ferie
    abwesend
    no longer (?:with|work)
    thank you for your (?:e-?mail|message|enquiry|inquiry)
    ticket (?:received|created)
    we (?:have )?received your
    """,
    before=r"\b",
)


#: How the addresses of mail systems begin.
DAEMON_ADDRESSES = any_of(
    r"""
    mailer[-_. ]?daemon
    post ?master
    mail[-_.]?(?:delivery|system|administrator|daemon)
    mdaemon
    bounce[sd]?(?:[-+=_.]|@)
    microsoftexchange[0-9a-f]
    double-bounce
    mta@
    [\w.-]*smtp[-_.]?(?:gateway|mail|service)
    "?system ?administrator"?@
    ndr@
    """,
    before=r"^\s*",
)

#: How mail systems call themselves, where they do not say it with the address.
DAEMON_NAMES = any_of(
    r"""
    mail ?delivery(?: (?:sub)?system| service)?
    mailer[- ]?daemon
    mail ?system
    (?:mail|system) ?administrator
    mail(?:er)? ?agent
    mailzustell\w+
    ms ?exchange
    postmaster
    """,
    before=r"^\W*",
)

#: What is in the subjects of bounces.
BOUNCE_SUBJECTS = any_of(
    r"""
    un ?deliver
    returned (?:e-?)?mail
    mail returned
    return(?:ed)? to sender
    non-?deliver
    not (?:be(?:en)? )?deliver
    couldn.t be deliver
    delivery (?:has )?fail
    failed (?:mail|delivery)
    failure (?:notice|delivery|of delivery)
    mail (?:delivery )?(?:fail|system error|error)
    delivery (?:status )?(?:notification|problem|error|report)
    message status
    permanent (?:error|failure|fatal)
    rejected
    bounced?
    user unknown
    mail could not
    unzustell
    nicht zu(?:ge)?stell
    zustellung.{0,20}fehl
    non remis
    non distribu
    [ée]chec de (?:la )?(?:remise|distribution|livraison)
    no (?:se )?(?:ha )?(?:podido |pudo )?entrega
    devuelto
    falha (?:na|de) entrega
    n[ãa]o entreg
    mancat[ao] (?:consegna|recapito)
    onbestelbaar
    niet (?:afgeleverd|bezorgd)
    olever[ei]r
    kunde inte levereras
    nie dor[ęe]cz
    niedor[ęe]cz
    nedoru[čc]
    не доставлен
    недоставлен
    невозможно доставить
    配信
    配達
    送信でき
    退信
    无法投递
    退信
    전송 실패
    배달
    """
)


#: How the subjects of bounces begin, where no other sign says whose mail it is.
BOUNCE_OPENINGS = any_of(
    r"""
    undeliver
    returned (?:e-?)?mail\b
    non-?deliver
    delivery fail
    failure notice
    mail (?:delivery )?(?:failed|failure)
    (?:mail|message) (?:could|can) ?not be deliver
    delivery status notification
    unzustellbar
    nicht zugestellt
    non remis
    [ée]chec de (?:la )?(?:remise|distribution|livraison)
    onbestelbaar
    """,
    before=r"^\W*",
)


#: What a warning says that gave nothing up.
DELAYS = any_of(
    r"""
    delayed
    delay\)
    \bwarning\b
    will (?:keep|continue) (?:to )?(?:tr|be made)
    still being retried
    do not need to resend
    verz[öo]gert
    retard[ée]
    retras
    ritard
    """
)


#: What the text of a bounce says.
FAILURES = any_of(
    r"""
    could not (?:be delivered|deliver)
    can ?not be delivered
    error (?:while )?delivering
    been returned because
    not a valid (?:user|recipient|address|mailbox)
    couldn't be delivered
    wasn't delivered
    was not delivered
    not been delivered
    unable to deliver
    undeliverable
    delivery (?:to the following|failed|has failed)
    failed (?:to deliver|permanently)
    permanent (?:fatal )?error
    giving up
    host unknown
    user unknown
    does not exist
    mailbox (?:is )?full
    quota
    exceeds (?:the )?allowed
    """
)
