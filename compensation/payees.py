"""Where owners want their money: addresses proved to be theirs, bank accounts; their pseudonyms.

Tokens go to one address on each chain, each currency to one bank account. Nothing is paid to a new
or changed one before a hold is over, of which everybody is told who minds the party's money.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.utils.translation import gettext as _
from schwifty import BIC, IBAN
from schwifty.exceptions import SchwiftyException

from compensation import addresses, chain_accounts, ownership
from compensation.bank import charset, currency, pain001
from compensation.models import Asset, PayoutMethod
from provenance import chains, evm, ledger, merkle, restrictions, secrecy, signers
from provenance.models import Party, User
from provenance.refusals import Refused

Kind = PayoutMethod.Kind


class BadAccount(Refused):
    """This is no bank account that we can pay to."""

    code = "bad_bank_account"
    status = 400
    hint = "Copy IBAN and holder as they stand on a statement of the account."


class NotPaidByBank(Refused):
    """This asset is not paid by bank."""

    code = "not_paid_by_bank"
    hint = "Banks pay currencies, such as iso4217:EUR; tokens go to an address on their chain."


class MethodRemoved(Refused):
    """This account or address was taken back."""

    code = "payout_method_removed"
    hint = "Add it anew."


def payee_id(party: Party) -> bytes:
    """The pseudonym of a party on the chain: 32 bytes that only we can tie to it."""
    return merkle.keccak(bytes(party.salt) + party.pk.bytes)


def method_in_force(party: Party, asset: Asset | None = None) -> PayoutMethod | None:
    """Where a party wants to be paid an asset (a token of this service's home chain where none
    is named), if it has said so.

    Whether money may go there yet, `PayoutMethod.is_payable` says.
    """
    in_force = PayoutMethod.objects.filter(party=party, verified_at__isnull=False, removed_at=None)
    if asset is not None and asset.code.startswith(currency.PREFIX):
        return in_force.filter(asset=asset).first()
    chain = asset.chain if asset is not None else evm.caip2(chains.home())
    return in_force.filter(kind=Kind.CHAIN, chain=chain).first()


def payable_methods(*, asset: Asset, at: datetime) -> dict[UUID, PayoutMethod]:
    """Where each party may be paid an asset at `at`: none that is held, flagged or elsewhere."""
    rows = PayoutMethod.objects.filter(verified_at__isnull=False, removed_at=None)
    if asset.chain:
        found = rows.filter(kind=Kind.CHAIN, chain=asset.chain)
    else:
        found = rows.filter(kind=Kind.BANK, asset=asset)
    stopped = restrictions.unpaid(None, at)
    return {
        one.party_id: one
        for one in found
        if one.party_id not in stopped
        and one.is_payable(at)
        and (one.is_bank or not ownership.is_refused(one.address))
    }


@transaction.atomic
def add_method(
    *, party: Party, address: str, chain_id: int, at: datetime, by: User | None = None
) -> PayoutMethod:
    """Name an address to be paid at. It takes effect once its holder has signed the challenge.

    The challenge is a sign-in message (EIP-4361). On the development chain nobody has a wallet:
    there it takes effect at once. Raises NotAnAddress, ownership.AddressRefused and, where this
    service is not on that chain, chains.UnknownChain.
    """
    chains.settings_of(chain_id)
    found = addresses.checked(address)
    ownership.require_payable(found)
    made = PayoutMethod.objects.create(
        party=party,
        address=f"{evm.caip2(chain_id)}:{found}",
        chain=evm.caip2(chain_id),
        added_by=by,
        added_at=at,
    )
    if chain_id == signers.DEVELOPMENT_CHAIN:
        return _put_in_force(made, "", at)
    return challenge(method=made, at=at)


@transaction.atomic
def challenge(*, method: PayoutMethod, at: datetime) -> PayoutMethod:
    """Ask anew for the proof of an address; the message before counts no longer."""
    locked = PayoutMethod.objects.select_for_update().get(pk=method.pk)
    if locked.removed_at is not None:
        raise MethodRemoved
    if locked.verified_at is None and not locked.is_bank:
        message = ownership.message_for(locked, at)
        locked.challenge, locked.nonce = message.text(), message.nonce
        locked.save(update_fields=["challenge", "nonce"])
    return locked


@transaction.atomic
def add_other_account(
    *, party: Party, account: str, at: datetime, by: User | None = None
) -> PayoutMethod:
    """Name an account (CAIP-10) on a chain that is not an EVM's; it replaces the one before there.

    Nobody can prove to us whose it is: like a bank account it takes effect after a hold, of which
    everybody is told who minds the party's money. Raises chain_accounts.BadAccountName or
    ownership.AddressRefused.
    """
    chain, address = chain_accounts.checked(account)
    ownership.require_payable(address)
    _lock(party)
    name = f"{chain}:{address}"
    before = PayoutMethod.objects.filter(
        party=party, chain=chain, verified_at__isnull=False, removed_at=None
    ).first()
    if before is not None and before.address == name:
        return before
    made = PayoutMethod.objects.create(
        party=party, address=name, chain=chain, added_by=by, added_at=at
    )
    return _put_in_force(made, "", at)


@transaction.atomic
def add_account(
    *,
    party: Party,
    asset: Asset,
    iban: str,
    holder: str,
    bic: str = "",
    at: datetime,
    by: User | None = None,
) -> PayoutMethod:
    """Name a bank account for the payouts of a currency; it replaces the one before, after a hold.

    The account that is in force already is returned as it is. Raises BadAccount or NotPaidByBank.
    """
    if not asset.code.startswith(currency.PREFIX):
        raise NotPaidByBank(_("%(asset)s is not paid by bank.") % {"asset": asset})
    number, branch = checked_account(iban=iban, bic=bic)
    if not charset.latin(holder, pain001.NAME_LIMIT):
        raise BadAccount(
            _("Banks cannot write this holder's name."), hint=_("Give it in Latin letters as well.")
        )
    _lock(party)
    mark = secrecy.print_of(f"{party.pk}:{number}")
    before = method_in_force(party, asset)
    if before is not None and (before.iban_print, before.holder, before.bic) == (
        mark,
        holder.strip()[: pain001.NAME_LIMIT],
        branch,
    ):
        return before
    made = PayoutMethod.objects.create(
        party=party,
        kind=Kind.BANK,
        asset=asset,
        address=masked(number),
        hidden_iban=secrecy.hide(number.encode()),
        iban_print=mark,
        bic=branch,
        holder=holder.strip()[: pain001.NAME_LIMIT],
        added_by=by,
        added_at=at,
    )
    return _put_in_force(made, "", at)


def checked_account(*, iban: str, bic: str) -> tuple[str, str]:
    """An IBAN and a BIC as banks write them; raises BadAccount (ISO 13616, mod 97; ISO 9362)."""
    try:
        number = IBAN(iban)
    except (SchwiftyException, ValueError) as error:
        raise BadAccount(
            _("This IBAN is wrong: %(error)s.") % {"error": str(error).lower()}
        ) from error
    try:
        branch = str(BIC(bic)) if bic.strip() else ""
    except (SchwiftyException, ValueError) as error:
        raise BadAccount(
            _("This BIC is wrong: %(error)s.") % {"error": str(error).lower()},
            hint=_("Leave it out if you do not know it."),
        ) from error
    return str(number), branch


def masked(iban: str) -> str:
    """An IBAN as pages show it."""
    return f"{iban[:4]} … {iban[-4:]}"


def iban_of(method: PayoutMethod) -> str:
    """The whole number of a bank account, for the order to our bank and nothing else."""
    assert method.hidden_iban is not None, "a bank account has its number"
    return secrecy.reveal(method.hidden_iban).decode()


def verify_method(
    *, method: PayoutMethod, signature: str, at: datetime, message: str = ""
) -> PayoutMethod:
    """Put an address in force whose holder, a key or a contract, signed the challenge.

    `message` is the text as it was signed, the challenge unless said. Safe to repeat. Raises
    MethodRemoved, AddressRefused, or what ownership.require_shown does.
    """
    if method.verified_at is not None:
        return method
    ownership.require_payable(method.chain_address)
    # Before anything is locked: a contract wallet is asked over the network.
    text = message or method.challenge
    shown = ownership.require_shown(method, text, signature, at)
    with transaction.atomic():
        locked = PayoutMethod.objects.select_for_update().get(pk=method.pk)
        if locked.verified_at is not None:
            return locked
        if locked.removed_at is not None:
            raise MethodRemoved
        if locked.nonce != shown.nonce:
            raise ownership.NonceUsed
        locked.challenge = text
        return _put_in_force(locked, signature, at)


@transaction.atomic
def remove_method(*, method: PayoutMethod, at: datetime) -> PayoutMethod:
    """Pay there no longer; what is in a tree already can still be claimed. Safe to repeat."""
    locked = PayoutMethod.objects.select_for_update().get(pk=method.pk)
    if locked.removed_at is None:
        locked.removed_at = at
        locked.save(update_fields=["removed_at"])
        _record("payout_method.removed", locked, at)
    return locked


@transaction.atomic
def flag_method(*, method: PayoutMethod, words: str, at: datetime) -> None:
    """Send nothing more there until its party confirms it: a payment came back. Safe to repeat."""
    locked = PayoutMethod.objects.select_for_update().get(pk=method.pk)
    if locked.flagged_at is not None:
        return
    locked.flagged_at, locked.flag_words = at, words[:300]
    locked.save(update_fields=["flagged_at", "flag_words"])
    _record("payout_method.flagged", locked, at)


@transaction.atomic
def confirm_method(*, method: PayoutMethod, at: datetime) -> PayoutMethod:
    """Pay there again, because its party says that it is right. Safe to repeat."""
    locked = PayoutMethod.objects.select_for_update().get(pk=method.pk)
    if locked.removed_at is not None:
        raise MethodRemoved
    if locked.flagged_at is not None:
        locked.flagged_at, locked.flag_words = None, ""
        locked.save(update_fields=["flagged_at", "flag_words"])
        _record("payout_method.confirmed", locked, at)
    return locked


@transaction.atomic
def restore_method(*, party: Party, address: str, chain_id: int, at: datetime) -> PayoutMethod:
    """Pay on where the chain's last tree paid, whose proof of it was lost; after a hold."""
    made = PayoutMethod.objects.create(
        party=party,
        address=f"{evm.caip2(chain_id)}:{address}",
        chain=evm.caip2(chain_id),
        added_at=at,
    )
    return _put_in_force(made, "", at)


def _put_in_force(method: PayoutMethod, signature: str, at: datetime) -> PayoutMethod:
    """Replace the party's method of its kind by this one, and hold it back for a while."""
    _lock(method.party)
    in_force = PayoutMethod.objects.filter(
        party=method.party,
        asset=method.asset,
        chain=method.chain,
        verified_at__isnull=False,
        removed_at=None,
    )
    in_force.exclude(pk=method.pk).update(removed_at=at)
    method.verified_at, method.signature, method.nonce = at, signature, ""
    if method.chain != evm.caip2(signers.DEVELOPMENT_CHAIN):
        method.held_until = at + timedelta(hours=settings.PAYOUT_ACCOUNT_HOLD_HOURS)
    method.save(update_fields=["challenge", "nonce", "verified_at", "signature", "held_until"])
    _record("payout_method.verified", method, at)
    return method


def _lock(party: Party) -> None:
    """Let one change of a party's methods follow the other."""
    Party.objects.select_for_update().get(pk=party.pk)


def _record(kind: str, method: PayoutMethod, at: datetime) -> None:
    """Where somebody is paid is personal: the ledger gets its salted hash."""
    where = iban_of(method) if method.is_bank else method.address
    if method.chain.startswith("eip155:"):
        where = where.lower()
    ledger.record(
        kind,
        at=at,
        subject_kind="payout_method",
        subject_id=method.pk,
        party=method.party,
        body={"address": merkle.keccak(bytes(method.party.salt) + where.encode())},
    )
