// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {AccessControlDefaultAdminRules} from
    "@openzeppelin/contracts/access/extensions/AccessControlDefaultAdminRules.sol";
import {MerkleProof} from "@openzeppelin/contracts/utils/cryptography/MerkleProof.sol";

/// @title LineageAnchor
/// @author The Tallymark contributors
/// @notice Keeps the Merkle root of every batch of a Tallymark ledger, so that anybody can check that an
/// event was in the ledger at a date and has not been changed since. Only digests are stored.
/// @dev Batches are numbered from 1 without gaps, and event sequences from 1 without gaps. Each batch is
/// chained to the one before through `headHash`. Trees are OpenZeppelin StandardMerkleTrees with the leaf
/// types [uint256 sequence, bytes32 eventHash]. There is no way to change or remove a batch.
contract LineageAnchor is AccessControlDefaultAdminRules {
    /// @notice Where the ledger stands; one storage slot.
    /// @param batch The number of the last anchored batch; 0 before the first.
    /// @param nextSequence The sequence of the first event of the next batch.
    /// @param anchoredAt The block time of the last batch, in seconds.
    struct Head {
        uint64 batch;
        uint64 nextSequence;
        uint64 anchoredAt;
    }

    /// @notice The role that may anchor.
    bytes32 public constant ANCHORER_ROLE = keccak256("ANCHORER_ROLE");

    /// @notice Where the ledger stands.
    Head public head;

    /// @notice The hash over all batches so far; zero before the first.
    bytes32 public headHash;

    /// @notice The Merkle root of each anchored batch; zero for a batch that was never anchored.
    mapping(uint64 batch => bytes32 root) public rootOf;

    /// @notice A batch was anchored.
    /// @param batch The batch's number.
    /// @param root The root of its Merkle tree.
    /// @param headHash The hash over all batches up to this one.
    /// @param firstSequence The sequence of its first event.
    /// @param eventCount How many events it holds.
    event Anchored(
        uint64 indexed batch, bytes32 indexed root, bytes32 headHash, uint64 firstSequence, uint64 eventCount
    );

    /// @notice The batch is not the next one.
    /// @param expected The number that comes next.
    /// @param got The number that was sent.
    error WrongBatch(uint64 expected, uint64 got);

    /// @notice The batch was made on another history than the anchored one.
    /// @param expected The head hash that is anchored.
    /// @param got The head hash that the batch was made on.
    error WrongPrevious(bytes32 expected, bytes32 got);

    /// @notice This batch was anchored before, with another root.
    /// @param batch The batch's number.
    /// @param anchored The root that is anchored.
    /// @param got The root that was sent.
    error Conflict(uint64 batch, bytes32 anchored, bytes32 got);

    /// @notice A batch without events, or with the zero root, is refused.
    error EmptyBatch();

    /// @param admin Who may grant and revoke roles; outside development a multisig. It is handed over in
    /// two steps, a day apart.
    /// @param anchorer Who may anchor from the start.
    constructor(address admin, address anchorer) AccessControlDefaultAdminRules(1 days, admin) {
        _grantRole(ANCHORER_ROLE, anchorer);
        head.nextSequence = 1;
    }

    /// @notice Anchors the next batch. Sending an anchored batch again changes nothing, so that a sender
    /// whose reply was lost may repeat itself.
    /// @dev A root commits to the sequence of each of its events: equal roots are equal batches.
    /// @param batch The batch's number: the last one plus 1.
    /// @param previousHeadHash The head hash that the batch was made on.
    /// @param root The root of its Merkle tree.
    /// @param eventCount How many events it holds.
    /// @return isNew Whether this call anchored it; false if it was anchored before.
    function anchor(uint64 batch, bytes32 previousHeadHash, bytes32 root, uint64 eventCount)
        external
        onlyRole(ANCHORER_ROLE)
        returns (bool isNew)
    {
        Head memory last = head;
        if (batch != 0 && batch <= last.batch) {
            bytes32 anchored = rootOf[batch];
            if (anchored != root) revert Conflict(batch, anchored, root);
            return false;
        }
        // Batches go up one by one, each in its own transaction: 2**64 of them never come.
        uint64 expected;
        unchecked {
            expected = last.batch + 1;
        }
        if (batch != expected) revert WrongBatch(expected, batch);
        if (previousHeadHash != headHash) revert WrongPrevious(headHash, previousHeadHash);
        if (eventCount == 0 || root == bytes32(0)) revert EmptyBatch();
        bytes32 nextHash = nextHeadHash(previousHeadHash, batch, root, last.nextSequence, eventCount);
        head = Head(batch, last.nextSequence + eventCount, uint64(block.timestamp));
        headHash = nextHash;
        rootOf[batch] = root;
        emit Anchored(batch, root, nextHash, last.nextSequence, eventCount);
        return true;
    }

    /// @notice The head hash after a batch; it names the chain and this contract, so that it holds nowhere else.
    /// @param previousHeadHash The head hash before the batch.
    /// @param batch The batch's number.
    /// @param root The root of its Merkle tree.
    /// @param firstSequence The sequence of its first event.
    /// @param eventCount How many events it holds.
    /// @return The head hash after the batch.
    function nextHeadHash(
        bytes32 previousHeadHash,
        uint64 batch,
        bytes32 root,
        uint64 firstSequence,
        uint64 eventCount
    ) public view returns (bytes32) {
        return keccak256(
            abi.encode(block.chainid, address(this), previousHeadHash, batch, root, firstSequence, eventCount)
        );
    }

    /// @notice The leaf of one event, hashed twice as StandardMerkleTree does.
    /// @param sequence The event's number in the ledger.
    /// @param eventHash The event's SHA-256.
    /// @return The leaf.
    function leafOf(uint256 sequence, bytes32 eventHash) public pure returns (bytes32) {
        return keccak256(bytes.concat(keccak256(abi.encode(sequence, eventHash))));
    }

    /// @notice Whether an event is in an anchored batch.
    /// @param batch The batch's number.
    /// @param sequence The event's number in the ledger.
    /// @param eventHash The event's SHA-256.
    /// @param proof The siblings from the leaf up to the root.
    /// @return Whether the proof leads to the batch's root; false for a batch that was never anchored.
    function verify(uint64 batch, uint256 sequence, bytes32 eventHash, bytes32[] calldata proof)
        external
        view
        returns (bool)
    {
        bytes32 root = rootOf[batch];
        return root != bytes32(0) && MerkleProof.verifyCalldata(proof, root, leafOf(sequence, eventHash));
    }
}
