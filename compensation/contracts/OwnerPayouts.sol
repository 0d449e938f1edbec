// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {AccessControlDefaultAdminRules} from
    "@openzeppelin/contracts/access/extensions/AccessControlDefaultAdminRules.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {MerkleProof} from "@openzeppelin/contracts/utils/cryptography/MerkleProof.sol";

/// @title OwnerPayouts
/// @author The Tallymark contributors
/// @notice Pays owners of datasets in one ERC-20 token. A leaf (payeeId, account, cumulative) says: up to
/// now this payee is owed `cumulative` in all, send it to `account`.
/// @dev What was paid is counted per payee, not per address: a payee who changes address gets only the
/// rest, two payees may share one address, and a repeated or older leaf pays nothing. An address is set
/// only by a root, which waits for its delay and may be vetoed: there is no redirect. The contract cannot
/// know that `total` is the sum of the leaves; the guardian's checker must, during the delay. Tokens sent
/// without `fund` are not counted, and there is no way to take money back.
contract OwnerPayouts is AccessControlDefaultAdminRules, ReentrancyGuardTransient {
    using SafeERC20 for IERC20;

    /// @notice One payee's line in a root, with its proof.
    /// @param payeeId The payee's pseudonym.
    /// @param account Where the money goes.
    /// @param cumulative What the payee is owed in all, ever.
    /// @param proof The siblings from the leaf up to the root.
    struct Claim {
        bytes32 payeeId;
        address account;
        uint256 cumulative;
        bytes32[] proof;
    }

    /// @notice A proposed root that waits for its delay.
    /// @param root The root of its Merkle tree.
    /// @param epoch Its number: the active one plus 1.
    /// @param readyAt When it may be activated, in seconds.
    /// @param total The sum of all its leaves.
    struct Pending {
        bytes32 root;
        uint64 epoch;
        uint64 readyAt;
        uint128 total;
    }

    /// @notice The role that may propose a root.
    bytes32 public constant PROPOSER_ROLE = keccak256("PROPOSER_ROLE");

    /// @notice The role that may veto a proposed root and halt all claims.
    bytes32 public constant GUARDIAN_ROLE = keccak256("GUARDIAN_ROLE");

    /// @notice The most gas that one pushed transfer may use, so that a hook cannot eat the batch.
    uint256 public constant PUSH_GAS = 200_000;

    /// @notice The shortest delay outside the development chain.
    uint64 public constant MINIMUM_DELAY = 1 days;

    /// @notice The token that is paid.
    IERC20 public immutable token;

    /// @notice How long a proposed root waits before it may be activated, in seconds.
    uint64 public immutable delay;

    /// @notice The active root; zero while halted or before the first: nobody can claim then.
    bytes32 public root;

    /// @notice The number of the active root.
    uint64 public epoch;

    /// @notice The sum of all leaves of the active root, as proposed.
    uint128 public totalOwed;

    /// @notice What was received through `fund`, measured by balance.
    uint256 public totalFunded;

    /// @notice The root that waits, if any.
    Pending public pending;

    /// @notice What each payee was paid in all.
    mapping(bytes32 payeeId => uint256 amount) public claimed;

    /// @notice Money came in.
    /// @param from Who paid.
    /// @param amount What arrived.
    /// @param totalFunded What has arrived in all.
    event Funded(address indexed from, uint256 amount, uint256 totalFunded);

    /// @notice A root was proposed; its delay runs.
    /// @param epoch Its number.
    /// @param root The root of its Merkle tree.
    /// @param total The sum of all its leaves.
    /// @param readyAt When it may be activated, in seconds.
    /// @param leavesDigest The SHA-256 of the file in which its leaves are published.
    /// @param uri Where that file is.
    event RootProposed(
        uint64 indexed epoch, bytes32 root, uint128 total, uint64 readyAt, bytes32 leavesDigest, string uri
    );

    /// @notice A root became active: its leaves can be claimed.
    /// @param epoch Its number.
    /// @param root The root of its Merkle tree.
    /// @param total The sum of all its leaves.
    event RootActivated(uint64 indexed epoch, bytes32 root, uint128 total);

    /// @notice A proposed root was vetoed.
    /// @param epoch Its number.
    /// @param root The root of its Merkle tree.
    event RootVetoed(uint64 indexed epoch, bytes32 root);

    /// @notice All claims were stopped.
    /// @param epoch The number of the root that was active.
    event Halted(uint64 indexed epoch);

    /// @notice A payee was paid.
    /// @param payeeId The payee's pseudonym.
    /// @param account Where the money went.
    /// @param amount What was paid now.
    /// @param cumulative What the payee has been paid in all.
    event Paid(bytes32 indexed payeeId, address indexed account, uint256 amount, uint256 cumulative);

    /// @notice A pushed payment could not be made; it stays owed.
    /// @param payeeId The payee's pseudonym.
    /// @param account Where the money would have gone.
    /// @param amount What would have been paid.
    event PayFailed(bytes32 indexed payeeId, address indexed account, uint256 amount);

    /// @notice Off the development chain the delay is at least MINIMUM_DELAY.
    /// @param got The delay that was asked for, in seconds.
    error DelayTooShort(uint64 got);

    /// @notice The proposed root is not the next one.
    /// @param expected The number that comes next.
    /// @param got The number that was sent.
    error WrongEpoch(uint64 expected, uint64 got);

    /// @notice The delay is not over.
    /// @param readyAt When it will be, in seconds.
    error NotReady(uint64 readyAt);

    /// @notice No such root is pending.
    error NothingPending();

    /// @notice The zero root is refused.
    error EmptyRoot();

    /// @notice A root whose leaves are not published is refused.
    error EmptyDigest();

    /// @notice What is owed in all can never fall.
    /// @param was The total of the active root.
    /// @param got The total that was proposed.
    error Shrinking(uint128 was, uint128 got);

    /// @notice The money for this root is not here.
    /// @param have What was funded in all.
    /// @param need What the root owes in all.
    error Underfunded(uint256 have, uint256 need);

    /// @notice The leaf is not in the active root, or nothing is active.
    /// @param payeeId The payee's pseudonym; zero for a pushed batch.
    error BadProof(bytes32 payeeId);

    /// @notice The columns of a pushed batch have unlike lengths.
    error LengthMismatch();

    /// @param token_ The token that is paid.
    /// @param delay_ How long a proposed root waits, in seconds; 0 only on the development chain.
    /// @param admin Who may grant and revoke roles; outside development a multisig. It is handed over in
    /// two steps, a day apart.
    /// @param proposer Who may propose roots from the start.
    /// @param guardian Who may veto and halt from the start.
    constructor(IERC20 token_, uint64 delay_, address admin, address proposer, address guardian)
        AccessControlDefaultAdminRules(1 days, admin)
    {
        if (block.chainid != 31337 && delay_ < MINIMUM_DELAY) revert DelayTooShort(delay_);
        token = token_;
        delay = delay_;
        _grantRole(PROPOSER_ROLE, proposer);
        _grantRole(GUARDIAN_ROLE, guardian);
    }

    /// @notice Pays money in; it counts what arrives, so that a token with a fee cannot make it insolvent.
    /// @param amount What to take from the caller, who approved it before.
    function fund(uint256 amount) external nonReentrant {
        uint256 before = token.balanceOf(address(this));
        token.safeTransferFrom(msg.sender, address(this), amount);
        uint256 received = token.balanceOf(address(this)) - before;
        totalFunded += received;
        emit Funded(msg.sender, received, totalFunded);
    }

    /// @notice Proposes the next root. The same proposal again changes nothing, so that a lost reply may be
    /// repeated; another one replaces it and starts the delay anew.
    /// @dev The digest is not kept, only logged: a root commits to its leaves, the digest tells whoever
    /// checks them during the delay that the file in hand is the published one.
    /// @param nextEpoch The active epoch plus 1.
    /// @param nextRoot The root of its Merkle tree.
    /// @param total The sum of all its leaves.
    /// @param leavesDigest The SHA-256 of the file in which its leaves are published.
    /// @param uri Where that file is.
    function proposeRoot(
        uint64 nextEpoch,
        bytes32 nextRoot,
        uint128 total,
        bytes32 leavesDigest,
        string calldata uri
    ) external onlyRole(PROPOSER_ROLE) {
        if (nextEpoch != epoch + 1) revert WrongEpoch(epoch + 1, nextEpoch);
        if (nextRoot == 0) revert EmptyRoot();
        if (leavesDigest == 0) revert EmptyDigest();
        if (total < totalOwed) revert Shrinking(totalOwed, total);
        Pending memory waiting = pending;
        if (waiting.epoch == nextEpoch && waiting.root == nextRoot && waiting.total == total) return;
        uint64 readyAt = uint64(block.timestamp) + delay;
        pending = Pending(nextRoot, nextEpoch, readyAt, total);
        emit RootProposed(nextEpoch, nextRoot, total, readyAt, leavesDigest, uri);
    }

    /// @notice Activates the pending root; anybody may, once the delay is over and the money is here.
    /// @param nextEpoch The root's number. An epoch that is active already changes nothing.
    function activateRoot(uint64 nextEpoch) external nonReentrant {
        if (nextEpoch != 0 && nextEpoch == epoch && root != 0) return;
        Pending memory waiting = pending;
        if (waiting.epoch != nextEpoch || nextEpoch == 0) revert NothingPending();
        if (block.timestamp < waiting.readyAt) revert NotReady(waiting.readyAt);
        if (totalFunded < waiting.total) revert Underfunded(totalFunded, waiting.total);
        root = waiting.root;
        epoch = nextEpoch;
        totalOwed = waiting.total;
        delete pending;
        emit RootActivated(nextEpoch, waiting.root, waiting.total);
    }

    /// @notice Drops the pending root.
    /// @param vetoed The root that is meant, so that a veto on its way cannot hit a corrected proposal.
    function vetoRoot(bytes32 vetoed) external onlyRole(GUARDIAN_ROLE) {
        if (vetoed == 0 || pending.root != vetoed) revert NothingPending();
        emit RootVetoed(pending.epoch, vetoed);
        delete pending;
    }

    /// @notice Stops all claims and drops the pending root; only a new proposal, with its delay, starts
    /// them again.
    function halt() external onlyRole(GUARDIAN_ROLE) {
        root = 0;
        delete pending;
        emit Halted(epoch);
    }

    /// @notice Pays what is open for one payee. Anybody may call and pay the gas; the money goes only to
    /// the account in the leaf.
    /// @param payeeId The payee's pseudonym.
    /// @param account Where the money goes.
    /// @param cumulative What the payee is owed in all, ever.
    /// @param proof The siblings from the leaf up to the root.
    /// @return paid What was paid now; 0 for a repeated leaf.
    function claim(bytes32 payeeId, address account, uint256 cumulative, bytes32[] calldata proof)
        external
        nonReentrant
        returns (uint256 paid)
    {
        return _claim(payeeId, account, cumulative, proof, root);
    }

    /// @notice Pays what is open for several payees; one that cannot be paid reverts them all.
    /// @param claims The payees' lines, with their proofs.
    /// @return paid What was paid now, in all.
    function claimMany(Claim[] calldata claims) external nonReentrant returns (uint256 paid) {
        bytes32 active = root;
        for (uint256 i; i < claims.length; ++i) {
            Claim calldata one = claims[i];
            paid += _claim(one.payeeId, one.account, one.cumulative, one.proof, active);
        }
    }

    /// @notice Pays many payees with one proof. One that cannot be paid is reported by PayFailed and stays
    /// owed; the others are paid.
    /// @param payeeIds The payees' pseudonyms, in the order of the multiproof.
    /// @param accounts Where each payee's money goes.
    /// @param cumulatives What each payee is owed in all, ever.
    /// @param proof The multiproof's hashes.
    /// @param flags The multiproof's flags.
    /// @return paid What was paid now, in all.
    function push(
        bytes32[] calldata payeeIds,
        address[] calldata accounts,
        uint256[] calldata cumulatives,
        bytes32[] calldata proof,
        bool[] calldata flags
    ) external nonReentrant returns (uint256 paid) {
        uint256 count = payeeIds.length;
        if (accounts.length != count || cumulatives.length != count) revert LengthMismatch();
        bytes32[] memory leaves = new bytes32[](count);
        for (uint256 i; i < count; ++i) {
            leaves[i] = leafOf(payeeIds[i], accounts[i], cumulatives[i]);
        }
        bytes32 active = root;
        if (active == 0 || count == 0 || !MerkleProof.multiProofVerifyCalldata(proof, flags, active, leaves)) {
            revert BadProof(0);
        }
        for (uint256 i; i < count; ++i) {
            paid += _push(payeeIds[i], accounts[i], cumulatives[i]);
        }
    }

    /// @notice The leaf of one payee, hashed twice as StandardMerkleTree does.
    /// @param payeeId The payee's pseudonym.
    /// @param account Where the money goes.
    /// @param cumulative What the payee is owed in all, ever.
    /// @return The leaf.
    function leafOf(bytes32 payeeId, address account, uint256 cumulative) public pure returns (bytes32) {
        return keccak256(bytes.concat(keccak256(abi.encode(payeeId, account, cumulative))));
    }

    /// @dev Pays what is open for one leaf of `active`, or reverts.
    function _claim(
        bytes32 payeeId,
        address account,
        uint256 cumulative,
        bytes32[] calldata proof,
        bytes32 active
    ) private returns (uint256 amount) {
        bytes32 leaf = leafOf(payeeId, account, cumulative);
        if (active == 0 || !MerkleProof.verifyCalldata(proof, active, leaf)) revert BadProof(payeeId);
        uint256 before = claimed[payeeId];
        if (cumulative <= before) return 0;
        unchecked {
            amount = cumulative - before;
        }
        claimed[payeeId] = cumulative;
        token.safeTransfer(account, amount);
        emit Paid(payeeId, account, amount, cumulative);
    }

    /// @dev Pays what is open for one proven leaf, or reports that it could not. `claimed` is written
    /// before the call; every function that could read or write it meanwhile is guarded.
    function _push(bytes32 payeeId, address account, uint256 cumulative) private returns (uint256 amount) {
        uint256 before = claimed[payeeId];
        if (cumulative <= before) return 0;
        unchecked {
            amount = cumulative - before;
        }
        claimed[payeeId] = cumulative;
        if (_trySend(account, amount)) {
            emit Paid(payeeId, account, amount, cumulative);
        } else {
            claimed[payeeId] = before;
            emit PayFailed(payeeId, account, amount);
            amount = 0;
        }
    }

    /// @dev A transfer with a gas cap that copies at most one word back: true when the call succeeded and
    /// returned nothing, from an address with code, or returned true.
    function _trySend(address account, uint256 amount) private returns (bool ok) {
        bytes memory data = abi.encodeCall(IERC20.transfer, (account, amount));
        address target = address(token);
        assembly ("memory-safe") {
            mstore(0, 0)
            ok := call(PUSH_GAS, target, 0, add(data, 32), mload(data), 0, 32)
            let silent := and(iszero(returndatasize()), gt(extcodesize(target), 0))
            ok := and(ok, or(silent, and(gt(returndatasize(), 31), eq(mload(0), 1))))
        }
    }
}
